"""Latents on a plane, to look at."""
