"""New training images from few labelled ones: encode, alter, decode, and measure whether it helps.

After Jorge et al., "Empirical Evaluation of Variational Autoencoders for Data Augmentation" (2018). In the order of the
paper: `vae` and `training` (section 3.1), `generation` (section 3.2), `classifiers` and `evaluation` (section 4).
"""
