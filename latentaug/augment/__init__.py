"""How new latents are made from old ones (section 3.2), and the plain transforms that they are compared with."""
