"""`make fuzz`: fuzz each decoder as its coverage guides, one after the other, and say what was tried and found."""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.decoders import DECODERS

FOLDER = Path("build/fuzz")
"""Where inputs are kept from which the next campaign goes on, and what was found."""
_SETTING_UP = 240
"""Seconds, at most, that a process may take beyond its time: for imports, and for what it has kept of earlier ones."""


def by_itself(*command: object) -> list[str]:
    """A command line whose process is the child of a shell, and so of one that never had much in memory.

    Linux counts what its parent had in memory as the most that a process ever had, and that is what is bounded here.
    """
    return ["/bin/sh", "-c", '"$@"; exit $?', "sh", *map(str, command)]


def fuzzed(form: str, seconds: int, folder: Path = FOLDER, seed: int = 0) -> tuple[int, list[str]]:
    """Fuzz one decoder in a process of its own.

    Returns:
        How many inputs were tried, and where what was found stands: the inputs, and the log that says what is wrong.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{form}.log"
    options = ["--seconds", seconds, "--folder", folder, "--seed", seed]
    command = by_itself(sys.executable, "-m", "tests.fuzz.guided", form, *options)
    with log.open("wb") as out:
        ended = subprocess.run(command, stdout=out, stderr=out, timeout=seconds + _SETTING_UP, check=False)
    told = log.read_text(errors="replace")
    inputs = re.search(r"stat::number_of_executed_units: +(\d+)", told)
    found = re.findall(r"Test unit written to (\S+)", told)
    if ended.returncode and not found:
        found = [f"the process ended with {ended.returncode}"]
    return int(inputs[1]) if inputs else 0, [*found, str(log)] if found else []


def main() -> None:
    """Fuzz all decoders for the minutes that were asked for, and exit with 1 if anything was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("forms", nargs="*", help="some decoders; all by default")
    asked = parser.parse_args()
    if find_spec("atheris") is None:
        sys.exit("atheris is not installed; it is for Linux on x86-64, by pip install -e '.[slow]'")
    forms = asked.forms or list(DECODERS)
    tried, all_found = 0, list[str]()
    for form in forms:
        inputs, found = fuzzed(form, max(1, round(60 * asked.minutes / len(forms))))
        print(f"{inputs:12,} {form}" + (f": found {', '.join(found)}" if found else ""), flush=True)
        tried += inputs
        all_found += found
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{tried:12,} in all, in {(usage.ru_utime + usage.ru_stime) / 60:.1f} minutes of a processor")
    sys.exit(bool(all_found))


if __name__ == "__main__":
    main()
