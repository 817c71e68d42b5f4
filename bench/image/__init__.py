"""The image, built by Debian's buildah and run from its file system, on a machine that has no container engine.

It needs root, and Debian's packages `buildah`, `mmdebstrap`, `tini` and `iproute2`. The Dockerfile's base image is not
fetched but made of Debian's packages, so that no registry of images is needed.
"""
