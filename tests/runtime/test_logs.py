"""What a service's log leaves out."""

from __future__ import annotations

import subprocess
import sys

FIT = """
import logging
from pathlib import Path
import numpy as np
from latentaug.runtime import logs
from latentaug.runtime.settings import Settings
logs.configure(Settings(home=Path("."), log_level="info"))
from latentaug.evaluation.classifiers import SVC
logging.getLogger("ours").info("before")
SVC().fit(np.eye(2, dtype=np.float32), np.arange(2)).predict(np.eye(2, dtype=np.float32))
"""

CLAIMS = """
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from PIL import Image
from latentaug.errors import TooLarge
from latentaug.imaging.pixels import Limits, decode
from latentaug.runtime import logs
from latentaug.runtime.settings import Settings
logs.configure(Settings(home=Path(".")))
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
for height in range(9000, 9100):
    head = chunk(b"IHDR", struct.pack(">2I5B", 10_000, height, 8, 0, 0, 0, 0))
    with suppress(TooLarge):
        decode(b"\\x89PNG\\r\\n\\x1a\\n" + head + chunk(b"IDAT", b""), Limits())
        raise AssertionError("it was not refused")
print(len(getattr(Image, "__warningregistry__", ())))
"""


def test_no_fit_of_a_classifier_is_a_line_of_the_log() -> None:
    """The accelerated SVM tells of each fit, thousands of times in one job."""
    told = subprocess.run([sys.executable, "-c", FIT], capture_output=True, text=True, check=True, timeout=60).stderr
    assert [line.split(" ", 3)[-1] for line in told.splitlines()] == ["ours: before"], told


def test_what_pillow_warns_of_is_no_line_and_is_not_kept() -> None:
    """57 bytes that claimed a new size were 210 bytes of log each time, and were remembered for ever."""
    ended = subprocess.run([sys.executable, "-c", CLAIMS], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stderr == ""
    assert int(ended.stdout) <= 1, "Python's own mark of how old the filters are"
