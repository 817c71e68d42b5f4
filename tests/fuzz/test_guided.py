"""The fuzzer that coverage guides: it runs with decoders, and what it finds is kept.

Here it goes the same way each time; `make fuzz` has it search along another way each time, with every decoder.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.campaign import by_itself, fuzzed
from tests.fuzz.decoders import DECODERS
from tests.fuzz.mutation import CASES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("atheris") is None, reason="needs atheris: pip install -e '.[slow]'"),
]
BROKEN = """
import sys
from pathlib import Path
from latentaug.errors import LatentaugError
from tests.fuzz import guided

seeds = set(guided.DECODERS["bmp"].seeds.values())

def read(data):
    if data.startswith(b"BM") and {when}:
        {fault}

guided.DECODERS["bmp"].reads["broken"] = read
guided.fuzz("bmp", 120, Path(sys.argv[1]), sys.argv[2:], seed=1)
"""
MARKED, MUTATED = 'data[2:3] == b"!"', "data not in seeds"
FAULTS = {
    "an error that is not ours": ('raise KeyError("of a decoder")', "KeyError: 'of a decoder'"),
    "a fault of ours": ('raise LatentaugError("no idea")', "internal_error is no fault of the caller's"),
    "much memory": ("read.held = bytearray(b'x') * 2**27", "grown by"),
}


SOME = ("png", "npz", "zip", "multipart")
"""Starting a fuzzer takes longer than its few seconds; `make fuzz` runs it with every decoder."""


@pytest.mark.parametrize("form", SOME)
def test_nothing_is_found_in_a_few_seconds(form: str, tmp_path: Path) -> None:
    inputs, found = fuzzed(form, 2, tmp_path, seed=1)

    assert not found, "\n".join([*found, (tmp_path / f"{form}.log").read_text(errors="replace")[-3000:]])
    assert inputs > len(DECODERS[form].seeds)
    CASES[f"{form}, guided"] += inputs


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_decoder_may_not_do_is_told_of_the_input_that_makes_it_do_so(fault: str, tmp_path: Path) -> None:
    does, told = FAULTS[fault]
    input = tmp_path / "input"
    input.write_bytes(b"BM!" + bytes(20))

    assert told in run(does, tmp_path, input)


def test_what_is_found_is_kept_and_can_be_tried_again(tmp_path: Path) -> None:
    """A decoder that fails for what the fuzzer makes of its seeds, and not for these."""
    does, told = FAULTS["an error that is not ours"]

    assert told in run(does, tmp_path, when=MUTATED)

    (input,) = tmp_path.glob("bmp-crash-*")
    assert input.read_bytes().startswith(b"BM")
    assert input.read_bytes() not in DECODERS["bmp"].seeds.values()
    assert told in run(does, tmp_path, input, when=MUTATED)


def run(does: str, folder: Path, *again: Path, when: str = MARKED) -> str:
    """What the fuzzer says of a decoder that does this for such inputs, which ends it."""
    command = by_itself(sys.executable, "-c", BROKEN.format(fault=does, when=when), folder, *again)
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)
    assert ended.returncode
    return ended.stdout.decode(errors="replace")
