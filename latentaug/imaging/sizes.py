"""Heights and widths of images that ought to have one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from latentaug.imaging.intake import Sizes, size_words
from latentaug.imaging.phrases import counted
from latentaug.imaging.pixels import MAX_SIDE, MIN_SIDE

PROPOSED_SIDE = 128
"""Longer side, in pixels, of the size that is proposed for large images."""


def sizes_differ(sizes: Sizes, files: Sequence[str] | None) -> str:
    """What is wrong with images of several heights and widths, with the names of some, and what to do."""
    counts = Counter(sizes)
    common = counts.most_common(3)
    shown = ", ".join(
        f"{how_many(n)} {size_words(size)} (such as {named_file(files, sizes.index(size))})" for size, n in common
    )
    rest = len(counts) - len(common)
    more = f", and {counted(rest, 'other size')}" if rest else ""
    return f"the images have {len(counts)} sizes: {shown}{more}; resize all to one, such as size={proposed(sizes)}"


def proposed(sizes: Sizes) -> str:
    """A size that suits images of these heights and widths: the commonest one, brought within the bounds."""
    height, width = Counter(sizes).most_common(1)[0][0]
    if max(height, width) > MAX_SIDE:
        scale = PROPOSED_SIDE / max(height, width)
    else:
        scale = max(1, MIN_SIDE / min(height, width))
    return size_words((_within(height * scale), _within(width * scale)))


def _within(side: float) -> int:
    return min(max(MIN_SIDE, round(side)), MAX_SIDE)


def named_file(files: Sequence[str] | None, row: int) -> str:
    """The name of an image: its file's, or its row's where it has none."""
    return f"row {row}" if files is None else files[row][-100:]


def how_many(count: int) -> str:
    """So many images, as a sentence begins with them: "2 images are"."""
    return f"{counted(count, 'image')} {'is' if count == 1 else 'are'}"
