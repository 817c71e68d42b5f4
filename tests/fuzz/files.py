"""Real files of every form that is read."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from service.oip import messages as oip
from tests.domain.imaging.zips import zipped

_RNG = np.random.default_rng(0)
GREY = _RNG.integers(0, 256, (16, 12), np.uint8)
COLOUR = _RNG.integers(0, 256, (16, 12, 3), np.uint8)


def saved(image: Image.Image, form: str, **how: Any) -> bytes:
    """An image as a file."""
    out = io.BytesIO()
    image.copy().save(out, form, **how)  # saving leaves its settings on the image
    return out.getvalue()


def _written(colour: np.ndarray, **how: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, colour, photometric="rgb", compression="zlib", **how)
    return out.getvalue()


def _images() -> dict[str, bytes]:
    grey, colour = Image.fromarray(GREY), Image.fromarray(COLOUR)
    clear = Image.fromarray(np.dstack([COLOUR, GREY]))
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)

    def frames() -> dict[str, Any]:
        return {"save_all": True, "append_images": [Image.fromarray(255 - COLOUR)]}

    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "png": saved(grey, "PNG"),
        "png in colour": saved(colour, "PNG"),
        "png with transparency": saved(clear, "PNG"),
        "png of 16 bits": saved(deep, "PNG"),
        "png with a palette": saved(colour.quantize(16), "PNG", transparency=3),
        "png of one bit": saved(grey.convert("1"), "PNG"),
        "apng": saved(colour, "PNG", **frames()),
        "jpeg": saved(colour, "JPEG", exif=exif),
        "progressive jpeg": saved(colour, "JPEG", progressive=True),
        "jpeg in cmyk": saved(colour.convert("CMYK"), "JPEG"),
        "mpo": saved(colour, "MPO", **frames()),
        "webp": saved(colour, "WEBP"),
        "webp without loss": saved(clear, "WEBP", lossless=True),
        "animated webp": saved(colour, "WEBP", **frames()),
        "gif": saved(colour, "GIF"),
        "animated gif": saved(colour, "GIF", **frames()),
        "bmp": saved(colour, "BMP"),
        "avif": saved(colour, "AVIF"),
        **{
            f"tiff, {kind}": saved(colour, "TIFF", compression=kind)
            for kind in ("raw", "tiff_lzw", "tiff_adobe_deflate")
        },
        "tiff, jpeg": saved(colour, "TIFF", compression="jpeg"),
        "tiff, packbits": saved(colour, "TIFF", compression="packbits"),
        "tiff, fax": saved(grey.convert("1"), "TIFF", compression="group4"),
        "tiff of floats": saved(Image.fromarray(GREY.astype(np.float32) / 255), "TIFF"),
        "tiff of 16 bits": saved(deep, "TIFF"),
        "tiff of 16 bits in planes": _written(np.stack([GREY.astype(np.uint16) * 257] * 3), planarconfig="separate"),
        "tiff of 16 bits in tiles": _written(
            np.dstack([GREY.astype(np.uint16) * 257] * 3), tile=(16, 16), predictor=True
        ),
        "tiff, large": _written(np.dstack([GREY] * 4), bigtiff=True, byteorder=">", extrasamples=["assocalpha"]),
        "tiff of pages": saved(colour, "TIFF", **frames()),
    }


IMAGES = _images()


def npy(array: Any) -> bytes:
    """An array as npy."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npz(compressed: bool = False, **arrays: Any) -> bytes:
    """Arrays as npz."""
    out = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(out, **arrays)
    return out.getvalue()


NPY = {
    "grey": npy(_RNG.integers(0, 256, (5, 12, 10), np.uint8)),
    "colour, Fortran": npy(np.asfortranarray(_RNG.integers(0, 256, (2, 12, 10, 3), np.uint8))),
    "floats": npy(_RNG.random((3, 12, 10), np.float32)),
    "latents": npy(_RNG.standard_normal((4, 4)).astype(np.float32)),
    "texts": npy(np.array(["a", "bc", ""])),
    "nothing": npy(np.empty((0, 12, 10), np.uint8)),
}
LABELS = np.array(["cat", "dog", "", "cat", "dog"])
NPZ = {
    "labelled": npz(images=_RNG.integers(0, 256, (5, 12, 10), np.uint8), labels=LABELS),
    "compressed": npz(True, images=np.zeros((5, 12, 10), np.uint8), labels=np.array([0, 1, -1, 0, 1])),
    "latents": npz(latents=_RNG.standard_normal((4, 4)).astype(np.float32)),
}


def _link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("a/link")
    entry.external_attr = 0o120777 << 16
    return entry


def _with_links() -> bytes:
    out = io.BytesIO(zipped({"a/1.png": IMAGES["png"], "b/2.png": IMAGES["png"]}))
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(_link(), "../b")
    return out.getvalue()


def _as_if_large() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.comment = b"by hand"
        with archive.open("a\\1.png", "w", force_zip64=True) as file:
            file.write(IMAGES["png"])
        archive.writestr("__MACOSX/a/._1.png", b"\0\5\x16\7")
        archive.mkdir("b")
    return out.getvalue()


ZIPS = {
    "classes": zipped({f"{name}/{i}.png": IMAGES["png"] for name in ("cat", "dog") for i in range(3)}),
    "stored": zipped({"train/a/1.jpg": IMAGES["jpeg"], "test/b/2.webp": IMAGES["webp"]}, zipfile.ZIP_STORED),
    "others": zipped(
        {"a/1.png": IMAGES["png"], "unlabelled/2.gif": IMAGES["gif"], "notes.txt": b"x", "é/3.tif": IMAGES["tiff, raw"]}
    ),
    "links": _with_links(),
    "zip64": _as_if_large(),
}

BOUNDARY = "b0undary"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def _form(parts: list[tuple[str, bytes]]) -> bytes:
    lines = []
    for name, data in parts:
        file = '; filename="a.png"\r\nContent-Type: image/png' if name == "images" else ""
        lines.append(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"
        )
    return b"".join(lines) + f"--{BOUNDARY}--\r\n".encode()


FORMS = {
    "two images": _form([("images", IMAGES["png"]), ("images", IMAGES["jpeg"]), ("labels", b'["a", null]')]),
    "options": _form([("images", IMAGES["gif"]), ("k", b"2"), ("method", b"noise")]),
    "empty": _form([]),
}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


JSONS = {
    "images": json.dumps({"images": [_text(IMAGES["png"])] * 2, "labels": ["a", None], "k": 1}).encode(),
    "a data URL": json.dumps({"images": ["data:image/png;base64," + _text(IMAGES["png"])]}).encode(),
    "latents": json.dumps({"latents": [[0.5, -1e3, 1e-9, 0]] * 2}).encode(),
}


def _frame(*written: Any) -> tuple[str | None, bytes]:
    headers, buffers = oip.write_request(*written)
    return headers.get(oip.HEADER_LENGTH), b"".join(buffers)


FRAMES = [
    _frame({"images": _RNG.integers(0, 256, (2, 12, 10, 1), np.uint8)}, {"k": 2, "method": "noise"}, ["images"]),
    _frame({"latents": np.zeros((3, 4), np.float32), "labels": np.array([0, -1, 1])}, {"timeout": 1000}, ["labels"]),
    (
        None,
        json.dumps(
            {
                "id": "1",
                "parameters": {"k": 2, "binary_data_output": False},
                "inputs": [
                    {"name": "latents", "datatype": "FP32", "shape": [2, 2], "data": [[0.5, -1e3], [1e-9, 0]]},
                    {"name": "labels", "datatype": "INT64", "shape": [2], "data": [0, -1]},
                ],
                "outputs": [{"name": "images", "parameters": {"binary_data": True}}],
            }
        ).encode(),
    ),
    (
        None,
        json.dumps(
            {
                "model_name": "m",
                "outputs": [{"name": "found", "datatype": "BOOL", "shape": [1, 2, 1], "data": [[[True], [False]]]}],
            }
        ).encode(),
    ),
]

STROKES_1 = b""".COMMENT by hand
.SEGMENT CHARACTER 0 ? "a"
.PEN_DOWN
 10 20
 30 -40
.PEN_UP
.DT 100
.PEN_DOWN
 1 2
.PEN_UP
"""
STROKES_2 = """// by hand
WORD a trn_UJI_W01-01
  NUMSTROKES 2
  POINTS 2 # 10 20 30 40
  POINTS 1 # -5 6
WORD \xf1 tst_UPV_W02-02
  NUMSTROKES 1
  POINTS 3 # 1 2 3 4 5 6
""".encode()
