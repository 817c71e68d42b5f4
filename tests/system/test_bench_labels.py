"""What labels, copies and recommendations are worth is measured, kept and written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench import dose, kept, labels, recommend, spreading, spreading_cost
from latentaug.datasets import Dataset
from latentaug.options import TrainingOptions

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def test_what_labels_are_worth_is_measured_kept_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = labels.Study(8, TrainingOptions(epochs=5, beta=0.1), {"knn": 300})
    monkeypatch.setitem(labels.STUDIES, "digits", quick)
    arguments = ["--labelled", "30", "--draws", "2", "--classifiers", "knn", "--results", str(tmp_path / "results")]
    labels.main(arguments, tmp_path / "home")

    document = json.loads((tmp_path / "results" / "labels-digits-30-knn.json").read_text())
    cells = document["results"]["cells"]
    assert {(cell["draw"], cell["arm"]) for cell in cells} == {(draw, arm) for draw in (0, 1) for arm in labels.TITLED}
    accuracy = {cell["arm"]: cell["accuracy"] for cell in cells if cell["draw"] == 0}
    assert accuracy["spread"] > accuracy["none"] + 5
    page = (tmp_path / "results" / "labels-digits-30-knn.md").read_text()
    assert "kNN: 300 newly labelled images" in page
    assert "| labels by label spreading, an affine copy of each image |" in page
    assert "**kNN**: " in page
    assert page.count("| yes |") + page.count("| no |") == 2, "each draw says whether its interval holds the truth"
    assert document["command"] in page
    capsys.readouterr()

    labels.main([*arguments[:2], "--draws", "3", *arguments[4:]], tmp_path / "home")
    assert {line.split("-")[0] for line in capsys.readouterr().out.splitlines() if "-image-" in line} == {"2"}
    longer = json.loads((tmp_path / "results" / "labels-digits-30-knn.json").read_text())["results"]["cells"]
    assert [cell for cell in longer if cell["draw"] < 2] == cells


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A VAE of the digits that is trained within seconds."""
    monkeypatch.setitem(labels.STUDIES, "digits", labels.Study(8, TrainingOptions(epochs=5, beta=0.1)))


@pytest.mark.usefixtures("quick")
def test_how_right_spread_labels_are_is_measured_set_by_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bars = np.zeros((60, 70, 70, 1), np.uint8)
    bars[:, 10:60, 30:40] = 99
    rows = np.arange(60)
    written = Dataset("letters", bars, rows % 2, ("a", "7"), rows, rows[:0], rows[:0], "drawn here")
    read = kept.read
    monkeypatch.setattr(kept, "read", lambda name: written if name == spreading.LETTERS else read(name))
    monkeypatch.setattr(spreading, "MIXTURES", 1)
    folders = {"home": tmp_path / "home", "vaes": tmp_path / "vaes"}
    for name in ("digits-100", "digits-30"):
        spreading.main(["--sets", name, "--draws", "2", "--results", str(tmp_path)], **folders)

    page = (tmp_path / "spreading.md").read_text()
    found = json.loads((tmp_path / "spreading.json").read_text())["results"]
    assert list(found) == ["digits-30", "digits-100"], "what was measured before is told of too"
    for name, one in found.items():
        assert all(account["right"] > 90 for account in one["accounts"])
        held = sum(account["low"] <= account["right"] <= account["high"] for account in one["accounts"])
        assert f"- **{name}**: the 95 % interval of `expected_accuracy` holds the true share in {held} of 2 " in page
        assert all(0 < few["by_hand"] <= 20 < more["by_hand"] <= 50 for few, more in one["askings"])
        own, *others = one["mixtures"]
        assert own["refused"][0] < 5
        assert {kind["kind"]: kind["count"] for kind in others} == {
            "letters": 30,
            "upside down": 54,
            "inverted": 54,
            "noise": 54,
        }
        assert next(kind["refused"] for kind in others if kind["kind"] == "noise") == [100]
    assert page.count("asked over random") == 1
    assert page.count("| all |") == 4, "20 and 50 labels by hand"


@pytest.mark.usefixtures("quick")
def test_what_spreading_costs_is_measured_and_written(tmp_path: Path) -> None:
    arguments = ["--dataset", "digits", "--rounds", "1", "--requests", "2", "--results", str(tmp_path)]
    spreading_cost.main(arguments, tmp_path / "vaes")

    found = json.loads((tmp_path / "spreading-cost.json").read_text())["results"]
    assert len(found["request seconds"]) == 2
    (parts,) = found["rounds"]
    assert [part["name"] for part in parts][1:] == [
        "looking for neighbours among the latents",
        "comparing shapes at 16 pixels",
        "spreading, and choosing images",
        spreading_cost.MORE,
    ]
    assert all(part["core_seconds"] > 0 for part in parts[1:])
    assert 0.05 < parts[0]["gibibytes"] <= parts[-1]["gibibytes"]
    page = (tmp_path / "spreading-cost.md").read_text()
    assert "Goal 30 s: reached." in page
    assert "**A request of 1,079 images**" in page


@pytest.mark.usefixtures("quick")
def test_recommendations_are_measured_set_by_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommend, "BUDGET", 4.0)
    folders = {"home": tmp_path / "home", "vaes": tmp_path / "vaes"}
    arguments = ["--draws", "1", "--classifiers", "knn", "--results", str(tmp_path), "--sets"]
    recommend.main([*arguments, "digits-100"], **folders)
    first = json.loads((tmp_path / "recommend.json").read_text())["results"]
    recommend.main([*arguments, "digits-30"], **folders)

    found = json.loads((tmp_path / "recommend.json").read_text())["results"]
    assert list(found) == ["digits-30", "digits-100"]
    assert found["digits-100"] == first["digits-100"], "it was not measured again"
    for one in found.values():
        assert one["recommended"] > 85
        assert one["behind"] == pytest.approx(max(one["fixed"].values()) - one["recommended"])
    near = sum(one["behind"] <= 0.3 for one in found.values())
    assert f"On {near} of 2 measured" in (tmp_path / "recommend.md").read_text()


def test_how_many_copies_pay_is_measured_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dose, "DOSES", (1, 4))
    arguments = ["--labelled", "30", "--draws", "3", "--classifiers", "knn", "--results", str(tmp_path / "results")]
    dose.main(arguments, tmp_path / "home")

    page = (tmp_path / "results" / "dose-digits-30.md").read_text()
    assert "- **kNN**: affine copies " in page
    assert "(4 over 1: " in page
    assert "| kNN | duplication | +0.00 points" in page, "copies of what is there change no neighbour"
    assert (tmp_path / "results" / "dose-digits-30.png").read_bytes().startswith(b"\x89PNG")
    assert set(json.loads((tmp_path / "results" / "dose-digits-30.json").read_text())["results"]) == {"1", "4"}
