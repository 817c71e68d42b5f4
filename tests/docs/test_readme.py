"""The README works as pasted, and what comes out is what it says."""

from __future__ import annotations

import time
import zipfile

from latentaug.imaging.pixels import Limits
from tests.docs.conftest import Followed
from tests.pictures import decode_image


def test_fifty_images_become_a_hundred_and_fifty_new_ones(readme: Followed) -> None:
    with zipfile.ZipFile(readme.folder / "augmented.zip") as archive:
        names = archive.namelist()

    assert sum(name.endswith(".png") for name in names) == 150


def test_the_contact_sheet_shows_every_source(readme: Followed) -> None:
    sheet = decode_image((readme.folder / "augmented.png").read_bytes(), Limits())

    assert sheet.shape[0] > 50 * 8


def test_the_evaluation_ends_with_a_verdict(readme: Followed) -> None:
    evaluate = readme.service.json("GET", "/v1/jobs?kind=evaluate&limit=100")["jobs"][-1]
    deadline = time.monotonic() + 100
    while evaluate["status"] in ("queued", "running"):
        assert time.monotonic() < deadline, evaluate
        time.sleep(0.3)
        evaluate = readme.service.json("GET", f"/v1/jobs/{evaluate['id']}")

    assert evaluate["status"] == "succeeded", evaluate
    report = readme.service.call("GET", f"/v1/jobs/{evaluate['id']}/result", accept="text/markdown").decode()
    assert "SVM" in report
    assert any(verdict in report for verdict in ("helps", "harms", "cannot tell"))
