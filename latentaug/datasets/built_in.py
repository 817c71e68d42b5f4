"""The data sets that need no upload, by name."""

from __future__ import annotations

from latentaug.datasets import digits, mnist, ujipen

BUILT_IN = {"digits": digits.DESCRIPTION, "mnist": mnist.DESCRIPTION, **ujipen.DESCRIPTIONS}
"""Their descriptions. No upload may have one of these names."""
