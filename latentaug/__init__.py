"""New training images from few labelled ones: encode, alter, decode, and measure whether it helps.

After Jorge et al., "Empirical Evaluation of Variational Autoencoders for Data Augmentation" (2018). In the order of the
paper: `vae` (section 3.1), `augment` (section 3.2) and `evaluation` (section 4).
"""
