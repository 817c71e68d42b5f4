"""Turns computed arrays into the bytes of an answer, in every form that the API writes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentaug.errors import TooLarge
from latentaug.imaging.archives import write_npy, write_npz, write_zip, zip_in_pieces
from latentaug.imaging.growing import joined
from latentaug.imaging.pixels import Pixels, contact_sheet, encode_png
from latentaug.options import FILTERS
from service.api.http import media
from service.api.http.labels import Labels

MAX_SHEET_IMAGES, MAX_SHEET_BYTES = 2048, 2**27
MOST_AT_ONCE = 2**23
"""Bytes of pixels that are written into an answer whole; larger answers are written piece by piece."""
SENT_IN_PIECES = {media.ZIP, media.JSON}
"""The forms of these answers."""
MOST_TALLY_BYTES = 4096
"""Of a tally as a header; callers and proxies take not much more."""
SHEET_SIDE = 64
"""Pixels to which small images on a contact sheet are enlarged, about."""


@dataclass(frozen=True)
class Encoded:
    """What encode answers.

    Attributes:
        latents: the means, float32 [n, latent_dim].
        log_variances: float32 [n, latent_dim].
        reconstruction_error: mean squared error per pixel, intensities in 0..1, float32 [n].
        labels: the labels as they came, or None.
    """

    latents: NDArray[np.float32]
    log_variances: NDArray[np.float32]
    reconstruction_error: NDArray[np.float32]
    labels: Labels | None = None


@dataclass(frozen=True)
class SpreadLabels:
    """What label answers.

    Attributes:
        images: uint8 [n, h, w, c], as the model takes them.
        labels: one per image; none for one that is unlike every labelled image.
        confidence: the chance that each label is right, float32 [n].
        kept: whether each image belongs in a training set, bool [n].
    """

    images: Pixels
    labels: Labels
    confidence: NDArray[np.float32]
    kept: NDArray[np.bool_]


@dataclass(frozen=True)
class NewImages:
    """Images that a model made, and where each comes from.

    Attributes:
        images: uint8 [m, h, w, c].
        provenance: makes one entry for each image; called only where the answer's form has room for it.
        per_image: more arrays of length m, such as `source`.
        settings: what is the same for all images, such as `alpha`.
        labels: one per image, or None.
        sheet: makes the rows of a contact sheet; called only where one is asked for.
        tally: how many images were wanted, made and rejected, where exact numbers were asked for.
        warnings: what to tell about the images that were sent, in sentences; the answer's header has them too.
    """

    images: Pixels
    provenance: Callable[[], Sequence[Mapping[str, object]]]
    sheet: Callable[[], Sequence[Sequence[Pixels]]]
    per_image: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    labels: Labels | None = None
    tally: Mapping[str, object] | None = None
    warnings: Sequence[str] = ()


def tally(
    counts: NDArray[np.int64], source: NDArray[np.int64], refused: NDArray[np.int64], labels: Labels | None
) -> dict[str, object]:
    """What became of a request for exact numbers of children: in all and, where there are labels, by class.

    Args:
        counts: int64 [n], children wanted of each image.
        source: int64 [m], the source of each child that was made.
        refused: int64 [n, filters], children of each image that each filter rejected.
        labels: labels of the n images, or None.
    """
    made = np.bincount(source, minlength=len(counts))
    found: dict[str, object] = _tally(counts, made, refused)
    if labels is not None:
        codes = labels.codes()
        found["classes"] = {
            name: _tally(*(each[codes == code] for each in (counts, made, refused)))
            for code, name in enumerate(labels.classes)
        }
    return found


def tally_header(tally: Mapping[str, object]) -> str:
    """A tally in one line, with null for its classes if that would be longer than `MOST_TALLY_BYTES`."""
    whole = json.dumps(tally)
    return whole if len(whole) <= MOST_TALLY_BYTES else json.dumps({**tally, "classes": None})


def in_rows(images: Pixels, columns: int) -> list[list[Pixels]]:
    """Images as the rows of a contact sheet, with `columns` in each row; the last may have fewer."""
    return [list(images[start : start + columns]) for start in range(0, len(images), columns)]


def _tally(counts: NDArray[np.int64], made: NDArray[np.int64], refused: NDArray[np.int64]) -> dict[str, object]:
    return {
        "wanted": int(counts.sum()),
        "made": int(made.sum()),
        "missing": int((counts - made).sum()),
        "rejected": dict(zip(FILTERS, refused.sum(axis=0).tolist(), strict=True)),
    }


def write_encoded(form: str, encoded: Encoded) -> bytes:
    """Write latents in one of `media.LATENT_ANSWERS`."""
    if form == media.NPY:
        return write_npy(encoded.latents)
    arrays: dict[str, NDArray[np.generic]] = {
        "latents": encoded.latents,
        "log_variances": encoded.log_variances,
        "reconstruction_error": encoded.reconstruction_error,
    }
    if form == media.NPZ:
        return write_npz(arrays if encoded.labels is None else {**arrays, "labels": encoded.labels.array()})
    document: dict[str, object] = {name: array.tolist() for name, array in arrays.items()}
    if encoded.labels is not None:
        document["labels"] = encoded.labels.values
    return json.dumps(document).encode()


def write_spread(form: str, spread: SpreadLabels) -> bytes:
    """Write labels in one of `media.LABEL_ANSWERS`; a zip holds the images too, those not kept as unlabelled."""
    if form == media.NPZ:
        arrays = {"labels": spread.labels.array(), "confidence": spread.confidence, "kept": spread.kept}
        return write_npz(arrays)
    columns = {
        "label": spread.labels.values,
        "confidence": spread.confidence.tolist(),
        "kept": spread.kept.tolist(),
    }
    if form == media.ZIP:
        folders = [name if kept else None for name, kept in zip(spread.labels.names, spread.kept, strict=True)]
        rows = zip(*columns.values(), strict=True)
        return write_zip(spread.images, folders, (dict(zip(columns, row, strict=True)) for row in rows))
    return json.dumps({"labels": columns["label"], **{name: columns[name] for name in ("confidence", "kept")}}).encode()


def write_images(form: str, new: NewImages) -> bytes:
    """Write images in one of `media.IMAGE_ANSWERS`.

    Raises:
        TooLarge: there are too many images for one contact sheet.
    """
    if form == media.NPY:
        return write_npy(_squeezed(new.images))
    if form == media.NPZ:
        return write_npz(_arrays(new))
    if form == media.ZIP:
        return b"".join(_zip_in_pieces(new))
    if form == media.PNG:
        return _write_sheet(new)
    return _write_json(new)


def _arrays(new: NewImages) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {"images": _squeezed(new.images), **new.per_image}
    if new.labels is not None:
        arrays["labels"] = new.labels.array()
    if new.tally is not None:
        arrays["tally"] = np.array(json.dumps(new.tally))
    if new.warnings:
        arrays["warnings"] = np.array(new.warnings)
    return arrays | {name: np.array(value) for name, value in new.settings.items()}


def images_in_pieces(form: str, new: NewImages) -> Iterator[bytes] | None:
    """Write images piece by piece, where there are so many that they would take much memory; None for all others."""
    if new.images.nbytes <= MOST_AT_ONCE or form not in SENT_IN_PIECES:
        return None
    return _zip_in_pieces(new) if form == media.ZIP else joined(_json_in_pieces(new))


def _zip_in_pieces(new: NewImages) -> Iterator[bytes]:
    names = None if new.labels is None else new.labels.names
    yield from zip_in_pieces(new.images, names, new.provenance(), new.tally)


def _write_json(new: NewImages) -> bytes:
    return b"".join(_json_in_pieces(new))


def _json_in_pieces(new: NewImages) -> Iterator[bytes]:
    provenance = new.provenance()
    document: dict[str, object] = {name: array.tolist() for name, array in new.per_image.items()}
    if new.labels is not None:
        document["labels"] = new.labels.values
    document["provenance"] = provenance
    if new.tally is not None:
        document["tally"] = new.tally
    if new.warnings:
        document["warnings"] = list(new.warnings)
    yield b'{"images": ['
    for i, (image, entry) in enumerate(zip(new.images, provenance, strict=True)):
        yield (b', "%s"' if i else b'"%s"') % base64.b64encode(_png(image, entry))
    yield b"], %s" % json.dumps(document)[1:].encode()


def _write_sheet(new: NewImages) -> bytes:
    sheet = new.sheet()
    shown = sum(len(row) for row in sheet)
    if shown > MAX_SHEET_IMAGES:
        raise TooLarge(
            f"a contact sheet of {shown} images was asked for; ask for at most {MAX_SHEET_IMAGES}, or for {media.ZIP}"
        )
    height, width, channels = new.images.shape[1:]
    scale = max(1, SHEET_SIDE // max(height, width))
    cells = len(sheet) * max(map(len, sheet))  # the longest row makes all as long
    if cells * height * width * channels * scale**2 > MAX_SHEET_BYTES:
        raise TooLarge(f"the contact sheet would hold more than {MAX_SHEET_BYTES} bytes; ask for fewer, or {media.ZIP}")
    return _png(contact_sheet(sheet, scale), new.settings)


def _png(image: Pixels, provenance: Mapping[str, object]) -> bytes:
    return encode_png(image, {"latentaug": json.dumps(provenance)})


def _squeezed(images: Pixels) -> Pixels:
    """Grey images without their channel axis, as most callers send them."""
    return images[..., 0] if images.shape[3] == 1 else images
