"""What the fuzzer that coverage guides takes for a finding. `make fuzz` has it search, each time along another way."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.campaign import by_itself

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("atheris") is None, reason="needs atheris: pip install -e '.[slow]'"),
]
BROKEN = """
import sys
from pathlib import Path
from latentaug.errors import LatentaugError
from tests.fuzz import guided

def read(data):
    if data.startswith(b"BM") and data[2:3] == b"!":
        {fault}

guided.DECODERS["bmp"].reads["broken"] = read
guided.fuzz("bmp", 120, Path(sys.argv[1]), sys.argv[2:])
"""
FAULTS = {
    "an error that is not ours": ('raise KeyError("of a decoder")', "KeyError: 'of a decoder'"),
    "a fault of ours": ('raise LatentaugError("no idea")', "internal_error is no fault of the caller's"),
    "much memory": ("read.held = bytearray(b'x') * 2**27", "grown by"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_decoder_may_not_do_is_told_of_the_input_that_makes_it_do_so(fault: str, tmp_path: Path) -> None:
    does, told = FAULTS[fault]
    input = tmp_path / "input"
    input.write_bytes(b"BM!" + bytes(20))

    assert told in run(does, tmp_path, input)


def run(does: str, folder: Path, *again: Path) -> str:
    """What the fuzzer says of a decoder that does this, which ends it."""
    command = by_itself(sys.executable, "-c", BROKEN.format(fault=does), folder, *again)
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)
    assert ended.returncode
    return ended.stdout.decode(errors="replace")
