"""Bytes of a request to values, values to bytes of an answer."""
