from pathlib import Path

import pytest

from bench import request_profile

pytestmark = pytest.mark.slow


def test_functions_of_each_thread_are_listed_by_what_they_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request_profile.main(["--seconds", "1", "--clients", "4", "--rows", "400"], tmp_path)
    tables = capsys.readouterr().out.split("\n\n")
    told = {table.strip().partition(":")[0]: table.strip() for table in tables[1:]}
    assert "service/api/routes/inference.py" in told["API, MainThread"]
    assert "service/model_server/serving.py" in told["model server, MainThread"]
    assert "service/model_server/engine.py" in told["model server, engine"]
    assert "marshal.loads" not in told["API, MainThread"]  # imports came before
    own = [float(line.split()[0]) for line in told["model server, engine"].splitlines()[2:]]
    assert own == sorted(own, reverse=True)
