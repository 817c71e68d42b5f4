"""The API process stays light: nothing that computes is imported."""

from __future__ import annotations

import subprocess
import sys


def test_the_api_imports_nothing_that_computes() -> None:
    code = "import sys, service.api.__main__; print(*sorted({name.partition('.')[0] for name in sys.modules}))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"torch", "sklearn", "sklearnex", "matplotlib", "scipy", "worker"} & set(loaded)
