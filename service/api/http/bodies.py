"""Reads images, with their labels and options, from request bodies of every form that the API takes."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets import told_missing
from latentaug.errors import InvalidInput, MalformedInput, TooLarge
from latentaug.imaging.archives import read_npy, read_npz
from latentaug.imaging.arrays import largest, refuse_masks, to_uint8, told_dark
from latentaug.imaging.depth import Levels, eight_bit, scale_told
from latentaug.imaging.intake import Intake, Size, Unreadable
from latentaug.imaging.pixels import Limits, Pixels
from latentaug.imaging.zips import read_zip
from latentaug.options import AugmentOptions
from service.api.http import media
from service.api.http.forms import Form
from service.api.http.json_bodies import read_json
from service.api.http.labels import Labels

# Arrays of our own answers are passed over, so that an answer can be sent on as a request; other names are mistakes.
_ANSWERED = {"images", "labels", "latents", "log_variances", "reconstruction_error", "source", "neighbour", "child"}
_ANSWERED |= {"step", "tally", "model", "version", "dataset", "row", "warnings", *AugmentOptions.model_fields}
# What browsers put in front of base64, and how other programs break it into lines.
_DATA_URL, _BREAK = re.compile(r"\Adata:[\w/+.-]{1,100};base64,"), re.compile(r"\s")
_NO_FIELDS: Mapping[str, object] = {}


@dataclass
class ImageBatch:
    """The images of a request.

    Attributes:
        images: each uint8 [h, w, 1 or 3], or uint16 from a file of 16 bits, of any sizes; or one uint8
            [n, h, w, c].
        labels: one per image, or None.
        fields: the options in the body.
        files: what each image is called, such as its path in a zip; or None.
        parts: each image's part in a zip that has folders for parts, or None.
        warnings: what to tell about how the images were read, in sentences.
        unreadable: images of a zip that were left out.
    """

    images: Sequence[Levels] | Pixels
    labels: Labels | None = None
    fields: Mapping[str, object] = field(default_factory=dict)
    files: Sequence[str] | None = None
    parts: Sequence[str | None] | None = None
    warnings: list[str] = field(default_factory=list)
    unreadable: Sequence[Unreadable] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of the images."""
        images = self.images
        return images.nbytes if isinstance(images, np.ndarray) else sum(image.nbytes for image in images)


def read_images(form: str, body: bytes | Form, limits: Limits) -> ImageBatch:
    """Read the images of a request from a body in any of `media.IMAGE_BODIES`.

    Raises:
        MalformedInput: the bytes are not what they claim to be.
        InvalidInput: there are no images, types or shapes are wrong, or there is not one label per image.
        TooLarge: the images exceed `limits`.
    """
    if isinstance(body, Form):
        batch = _images_from_form(body, limits)
    elif form == media.JSON:
        batch = _images_from_json(body, limits)
    elif form == media.NPY:
        batch = ImageBatch(to_uint8(read_npy(body, limits), limits))
    elif form == media.NPZ:
        batch = _images_from_npz(body, limits)
    elif form == media.ZIP:
        batch = _images_from_zip(body, limits)
    else:
        batch = _images_from_files([body], limits)
    if isinstance(batch.images, np.ndarray):
        top = largest(batch.images)
        refuse_masks(top)
        batch.warnings.extend(told_dark(top))
    if batch.labels is not None:
        batch.warnings.extend(told_missing(batch.labels.classes))
    return _checked(batch)


def read_dataset(form: str, body: bytes, limits: Limits, *, skip_bad: bool, size: Size | None) -> ImageBatch:
    """Read the images of an upload from a body in any of `media.DATASET_BODIES`.

    Args:
        form: media type of the body.
        body: the body.
        limits: bounds on it.
        skip_bad: whether to go on without images of a zip that cannot be read.
        size: height and width that images of 8 bits in a zip are resized to, or None.

    Raises:
        MalformedInput, InvalidInput, TooLarge: as `read_images` does.
    """
    if form == media.NPZ:
        return _checked(_images_from_npz(body, limits))
    return _checked(_images_from_zip(body, limits, skip_bad=skip_bad, size=size))


def scaled(batch: ImageBatch, bits: int | None) -> Sequence[Pixels] | Pixels:
    """The images of a batch, those of 16 bits scaled together to uint8, which becomes one of the batch's warnings.

    Raises:
        InvalidInput: a value needs more bits than these.
    """
    if isinstance(batch.images, np.ndarray):
        return batch.images
    images = eight_bit(batch.images, bits)
    batch.warnings.extend(scale_told(batch.images, bits))
    return images


def _images_from_json(body: bytes, limits: Limits) -> ImageBatch:
    fields = read_json(body, 8 * limits.max_images + 1000)
    texts = fields.pop("images", None)
    labels = fields.pop("labels", None)
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise InvalidInput(
            "images must be an array of base64 texts of image files",
            fields=[("images", "must be an array of base64 texts")],
        )
    files = [_from_base64(text, i) for i, text in enumerate(texts)]
    return _images_from_files(files, limits, None if labels is None else Labels.from_list(labels), fields)


def _images_from_form(form: Form, limits: Limits) -> ImageBatch:
    fields: dict[str, object] = dict(form.fields)
    text = form.fields.get("labels")
    fields.pop("labels", None)
    labels = None if text is None else Labels.from_list(_labels_from_text(text))
    return _images_from_files(form.files, limits, labels, fields, form.names)


def _images_from_npz(body: bytes, limits: Limits) -> ImageBatch:
    arrays = read_npz(body, limits)
    images = to_uint8(only(arrays, "images"), limits)
    labels = arrays.get("labels")
    return ImageBatch(images, None if labels is None else Labels.from_array(labels))


def _images_from_zip(body: bytes, limits: Limits, **how: Any) -> ImageBatch:
    folder = read_zip(body, limits, **how)
    return ImageBatch(
        folder.images,
        None if folder.labels is None else Labels.from_list(folder.labels),
        files=folder.names,
        parts=folder.parts,
        warnings=folder.warnings,
        unreadable=folder.unreadable,
    )


def _checked(batch: ImageBatch) -> ImageBatch:
    if len(batch.images) == 0:
        raise InvalidInput("the batch is empty; send at least one image", fields=[("images", "must not be empty")])
    if batch.labels is not None:
        batch.labels.check_length(len(batch.images))
    return batch


def only(arrays: Mapping[str, NDArray[np.generic]], needed: str) -> NDArray[np.generic]:
    """The array of an npz that is needed.

    Raises:
        InvalidInput: it is not there, or one is that has no meaning.
    """
    if unknown := sorted(set(arrays) - _ANSWERED):
        beside = " and their labels 'labels'" if needed == "images" else ""
        raise InvalidInput(
            f"the npz holds an array {unknown[0][:40]!r}, which is not read; name the {needed} {needed!r}{beside}"
        )
    if needed not in arrays:
        raise InvalidInput(
            f"the npz holds no array named {needed!r}, only {', '.join(map(repr, sorted(arrays))) or 'none at all'}",
            fields=[(needed, "is missing")],
        )
    return arrays[needed]


def _images_from_files(
    files: Sequence[bytes],
    limits: Limits,
    labels: Labels | None = None,
    fields: Mapping[str, object] = _NO_FIELDS,
    names: Sequence[str] = (),
) -> ImageBatch:
    """Decode image files one by one, within the limits of the whole batch; those that cannot be read are all named."""
    if len(files) > limits.max_images:
        raise TooLarge(f"{len(files)} images in one request; send at most {limits.max_images}")
    intake, called = Intake(limits), [name or f"image {i}" for i, name in enumerate(names or [""] * len(files))]
    for i, (data, name) in enumerate(zip(files, called, strict=True)):
        intake.take(name, data, f"images.{i}")
    intake.check()
    return ImageBatch(intake.images(), labels, fields, called, warnings=intake.warnings())


def _from_base64(text: str, i: int) -> bytes:
    plain = _DATA_URL.sub("", text, count=1)
    try:
        return base64.b64decode("".join(plain.split()) if _BREAK.search(plain) else plain, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedInput(f"image {i} is not base64; encode the file's bytes as RFC 4648 describes") from error


def _labels_from_text(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedInput('the field labels is not a JSON array, such as ["cat", "dog"]') from error
