"""One decoder, fuzzed as its coverage guides: `python -m tests.fuzz.guided png --seconds 60`.

Inputs that reach new branches of ours, or of the Python that ours calls, are kept and altered further. What is found is
written to a file, and its name told; `python -m tests.fuzz.guided png FILE` tries it again. `tests.fuzz.campaign` does
so with all decoders, one after the other.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import atheris
from numpy.lib import _format_impl as npy

from tests.fuzz.mutation import MOST_INPUT_BYTES, little_memory, tried

with atheris.instrument_imports(
    include=["latentaug", "service", "PIL", "zipfile", "starlette", "python_multipart"], enable_loader_override=False
):
    from tests.fuzz.altering import altering
    from tests.fuzz.decoders import DECODERS

# Or else nothing that was altered in a zip would be read but names and sizes.
zipfile.ZipExtFile._update_crc = lambda self, data: None  # type: ignore[attr-defined]
for written in (npy._read_array_header, npy.descr_to_dtype):
    atheris.instrument_func(written)

LONGEST = 2**16
"""Bytes of an input, at most."""
MOST_MEMORY = 1024
"""MiB of the whole process, so that what piles up over many inputs is found too. atheris itself never frees what `==`
gives for two arrays: where that is large for every input, `numpy.array_equal` serves."""
_HANGS = 60
"""Seconds, by the clock, after which an input is given up that does not come back to Python."""


def look(form: str) -> Callable[[bytes], None]:
    """What tries one input with everything that reads this form."""

    def one(data: bytes) -> None:
        for name, read in DECODERS[form].reads.items():
            with little_memory(MOST_INPUT_BYTES):
                tried(name, lambda read=read: read(data))

    return one


def fuzz(form: str, seconds: int, folder: Path, again: list[str], seed: int = 0) -> None:
    """Fuzz until the time is over, or something was found, and then end the process; 0 seeds it by the clock."""
    corpus = folder / form
    corpus.mkdir(parents=True, exist_ok=True)
    for data in DECODERS[form].seeds.values():
        (corpus / hashlib.sha1(data, usedforsecurity=False).hexdigest()).write_bytes(data)
    options = [f"-artifact_prefix={folder / form}-", f"-timeout={_HANGS}", f"-rss_limit_mb={MOST_MEMORY}"]
    options += again or [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-max_len={LONGEST}",
        "-print_final_stats=1",
        "-reload=0",
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *options], look(form), custom_mutator=altering(form))
    atheris.Fuzz()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("form", choices=DECODERS)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--folder", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--seed", type=int, default=0, help="of the search; 0 goes another way each time")
    parser.add_argument("again", nargs="*", help="files to try once more")
    given = parser.parse_args()
    fuzz(given.form, given.seconds, given.folder, given.again, given.seed)
