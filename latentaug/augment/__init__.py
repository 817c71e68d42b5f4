"""New latents and images from old (section 3.2), and the plain transforms that they are compared with."""
