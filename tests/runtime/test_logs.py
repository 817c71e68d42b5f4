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


def test_no_fit_of_a_classifier_is_a_line_of_the_log() -> None:
    """The accelerated SVM tells of each fit, thousands of times in one job."""
    told = subprocess.run([sys.executable, "-c", FIT], capture_output=True, text=True, check=True, timeout=60).stderr
    assert [line.split(" ", 3)[-1] for line in told.splitlines()] == ["ours: before"], told
