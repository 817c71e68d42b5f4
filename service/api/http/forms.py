"""Reads multipart forms."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from latentaug.errors import InvalidInput, MalformedInput
from latentaug.imaging.pixels import Limits

MAX_OPTIONS = 32


@dataclass(frozen=True)
class Form:
    """A multipart form: the bytes of its image files, what they are called, if anything, and its fields."""

    files: list[bytes]
    names: list[str]
    fields: dict[str, str]


class _FormParser(MultiPartParser):
    """Starlette's parser, which also notes whether the form has ended or has only broken off."""

    closed = False
    spool_max_size = 2**40  # never on a disk, which may be full: the whole body is in memory already

    def on_end(self) -> None:
        """Note that the closing boundary has come."""
        self.closed = True

    def close(self) -> None:
        """Close the files of all parts, whatever became of the form; Starlette does so after some errors only."""
        for file in self._files_to_close_on_error:
            file.close()


async def read_form(body: bytes, content_type: str, limits: Limits) -> Form:
    """Split a multipart form into files named `images` and fields.

    Raises:
        MalformedInput: it is not a form, or breaks off.
        InvalidInput: a file has another name, or a field is given twice.
        TooLarge: there are too many files.
    """
    parser = _FormParser(
        Headers({"content-type": content_type}),
        _once(body),
        max_files=limits.max_images + 1,
        max_fields=MAX_OPTIONS,
        max_part_size=2**20,
    )
    try:
        form = await parser.parse()
        if not parser.closed:
            raise MalformedInput("the form's closing boundary is missing; send the whole form again")
        return await _sorted(form)
    except (MultiPartException, UnicodeError, LookupError, ValueError) as error:
        raise MalformedInput(f"not a readable multipart form: {error}") from error
    finally:
        parser.close()


async def _sorted(form: FormData) -> Form:
    """The parts of a form, by what they are."""
    files: list[bytes] = []
    names: list[str] = []
    fields: dict[str, str] = {}
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            if name != "images":
                raise InvalidInput(f"a file is named {name[:40]!r}; name every image part 'images'")
            files.append(await value.read())
            names.append(value.filename or "")
        elif name in fields:
            raise InvalidInput(f"{name[:40]!r} is given twice", fields=[(name[:40], "given twice")])
        else:
            fields[name] = value
    return Form(files, names, fields)


async def _once(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
