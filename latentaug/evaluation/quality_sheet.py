"""The best, the worst and the most copied new images as one picture, each above the image that it came from."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from latentaug.evaluation.features import Rows
from latentaug.evaluation.quality import Details
from latentaug.evaluation.quality_report import Report
from latentaug.imaging.pixels import Pixels, contact_sheet, encode_png

COLUMNS = 12
SIDE = 64
"""Images are enlarged up to about so many pixels a side."""
WIDTH = 640
"""Least width of the picture, so that its words fit."""
_MARGIN, _FONT, _LINE = 8, 14, 19


def quality_sheet(
    images: Pixels, training: Callable[[Rows], Pixels], labels: Rows | None, details: Details, report: Report
) -> bytes:
    """Draw the picture, PNG.

    Args:
        images: the new images that were measured, uint8 [m, h, w, c].
        training: gives the training images, uint8 [rows, h, w, c], by the numbers that `details` has.
        labels: of the new images, int64 [m], or None.
        details: what is known of each new image.
        report: its words stand above the pictures.
    """
    near = "source" if report.near_copies_of == "source" else "nearest training image"
    words = [report.sentence, *([report.warning] if report.warning else [])]
    blocks = [_text(words)]
    for title, rows in chosen(labels, details).items():
        scale = max(1, SIDE // max(images.shape[1:3]))
        pictures = contact_sheet([list(images[rows]), list(training(details.origin[rows]))], scale)
        blocks += [_text([f"{title}. Below each is its {near}."]), _coloured(pictures)]
    return encode_png(_stacked(blocks))


def chosen(labels: Rows | None, details: Details) -> dict[str, Rows]:
    """Which images to show, by what they are, at least one of each kind."""
    sound = ~details.copied & (details.agrees | (labels is None))
    merit = np.argsort(-np.where(sound, details.density, -1), kind="stable")
    return {
        "Best: where real images are thickest, and no copies": _by_turns(merit, labels)[:COLUMNS],
        "Worst: farthest from every training image": np.argsort(-details.distance, kind="stable")[:COLUMNS],
        "Most copied: moved least": np.argsort(details.moved, kind="stable")[:COLUMNS],
    }


def _by_turns(order: Rows, labels: Rows | None) -> Rows:
    """The same rows with the first of each label at the front, then the second of each."""
    if labels is None:
        return order
    turn = np.empty(len(order), np.int64)
    for label in np.unique(labels):
        of_label = labels[order] == label
        turn[of_label] = np.arange(of_label.sum())
    return order[np.argsort(turn, kind="stable")]


def _text(paragraphs: list[str]) -> Pixels:
    """Words on white, uint8 [H, WIDTH, 3]."""
    font = ImageFont.load_default(_FONT)
    lines = [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, (WIDTH - 2 * _MARGIN) // 7)]
    picture = Image.new("RGB", (WIDTH, _LINE * len(lines) + _MARGIN), "white")
    draw = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        draw.text((_MARGIN, number * _LINE + _MARGIN // 2), line, fill="black", font=font)
    return np.asarray(picture)


def _coloured(picture: Pixels) -> Pixels:
    return picture.repeat(3, axis=2) if picture.shape[2] == 1 else picture


def _stacked(blocks: list[Pixels]) -> Pixels:
    """Pictures below each other on white, uint8 [H, W, 3]."""
    width = max(block.shape[1] for block in blocks)
    return np.concatenate(
        [np.pad(block, ((0, 0), (0, width - block.shape[1]), (0, 0)), constant_values=255) for block in blocks]
    )
