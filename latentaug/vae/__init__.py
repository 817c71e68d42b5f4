"""The convolutional VAE of the paper (section 3.1): its network, how it is trained, and how it computes fast."""
