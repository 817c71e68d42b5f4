"""The benchmarks of what is larger than memory: their limits hold, and their pages say what was found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import large, many_digits, million
from bench.confined import Limit, limit


@pytest.mark.parametrize(("megabytes", "ends_well"), [(20, True), (400, False)])
def test_a_process_has_no_more_memory_than_its_limit(megabytes: int, ends_well: bool) -> None:
    program = f"bytearray(b'x') * ({megabytes} * 2**20)"
    with limit(200 * 2**20) as confined:
        ends = [_ends(program, taken) for taken in (confined, Limit(confined.size))]

    assert ends == [ends_well, ends_well]
    assert confined.group is None or not confined.group.exists()


def _ends(program: str, confined: Limit) -> bool:
    """Whether a program ends well within a limit."""
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=False, preexec_fn=confined.take, capture_output=True).returncode == 0


def test_the_same_seed_draws_the_same_digits_and_no_two_are_alike() -> None:
    images, labels = many_digits.draw(300, seed=1)
    again, _ = many_digits.draw(300, seed=1)
    others, _ = many_digits.draw(300, seed=2)

    assert images.shape == (300, 28, 28, 1)
    assert set(labels.tolist()) == set(range(10))
    assert (again == images).all()
    assert len({image.tobytes() for image in np.concatenate([images, others])}) == 600


@pytest.mark.slow
def test_a_data_set_that_is_larger_than_memory_is_measured_and_written(tmp_path: Path) -> None:
    few = ["--bytes", "3000000", "--memory", str(2**30), "--points", "2000", "--results", str(tmp_path)]
    large.main(few)

    found = json.loads((tmp_path / "large.json").read_text())["results"]
    assert {"memory", "file", "search"} == found.keys()
    assert found["search"]["found"] > 0.9
    assert "of the speed in memory" in (tmp_path / "large.md").read_text()


@pytest.mark.slow
def test_a_million_images_are_measured_and_written(tmp_path: Path) -> None:
    few = ["--images", "3000", "--shard", "1200", "--epochs", "1", "--results", str(tmp_path / "results")]
    million.main(few, tmp_path / "home")

    found = json.loads((tmp_path / "results" / "million.json").read_text())["results"]
    assert [step["name"].split()[0] for step in found["steps"]] == ["send", "join", "train", "spread", "take"]
    assert all(step["memory"]["API"] > 0 for step in found["steps"])
    assert found["labelled"]["right"] > 0.7
