import json
from pathlib import Path

import pytest

from bench import web_servers
from bench.workload import SHAPES, Shape

pytest.importorskip("granian", reason="install the extra bench to run this")
pytestmark = pytest.mark.slow


def test_both_servers_answer_alike_and_are_measured_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_servers, "SHAPES", SHAPES[-1:])
    results = tmp_path / "results"
    web_servers.main(["--rounds", "2", "--turn", "0.1", "--results", str(results)], tmp_path / "home")
    found = json.loads((results / "web-servers.json").read_text())["results"]
    rates = found[Shape(1, 1).name]
    assert rates.keys() == web_servers.LOOPS.keys()
    for by_server in rates.values():
        assert by_server.keys() == web_servers.SERVERS.keys()
        assert all(len(rounds) == 2 and min(rounds) > 0 for rounds in by_server.values())
    assert "granian" in (results / "web-servers.md").read_text()
