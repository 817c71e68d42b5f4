import json
from pathlib import Path

import pytest

from bench import memory, rest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not memory.AVAILABLE, reason="this system has no /proc")]


def test_starts_and_rest_are_measured_by_part_and_written(tmp_path: Path) -> None:
    rest.main(["--starts", "2", "--seconds", "2", "--results", str(tmp_path / "results")], tmp_path / "home")
    found = json.loads((tmp_path / "results" / "rest.json").read_text())["results"]
    assert len(found["starts"]) == 2
    assert all(0 < seconds < 90 for seconds in found["starts"])
    assert {"API", "model server", "worker", rest.OTHERS} <= found["idle"].keys()
    assert all(0 <= share < 200 for share in found["idle"].values())
    assert "| API |" in (tmp_path / "results" / "rest.md").read_text()
