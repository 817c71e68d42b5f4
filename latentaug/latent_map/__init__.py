"""Latents placed on a plane, for people to look at."""
