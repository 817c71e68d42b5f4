"""Callers of the service, as a user would write them."""
