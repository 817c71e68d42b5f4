"""Latents placed on a plane, to look at."""
