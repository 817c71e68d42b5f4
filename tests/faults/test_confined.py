"""The service works as confined as its containers are: nothing but its home and /tmp is writable, no capability."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import numpy as np
import pytest

from bench.chaos.asks import NPY
from bench.chaos.stack import Stack
from latentaug.imaging.archives import write_npy
from tests.faults.conftest import SETTINGS
from tests.system.composition import ROOT, ended

CONFINE = """\
mount --bind "$LATENTAUG_HOME" "$LATENTAUG_HOME"
mount -o remount,bind,ro /
mount --rbind /dev /dev
mount -t tmpfs -o size=256m tmpfs /tmp
if touch /var/.written 2>/dev/null; then echo "its root can be written to"; exit 3; fi
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""
AS_IN_A_CONTAINER = ("unshare", "--mount", "--propagation", "private", "sh", "-ec", CONFINE, "confine")


def _possible() -> bool:
    return (
        os.geteuid() == 0
        and shutil.which("setpriv") is not None
        and subprocess.run(["unshare", "--mount", "true"], check=False, capture_output=True).returncode == 0
    )


@pytest.mark.skipif(not _possible(), reason="needs root, to mount what is read-only")
@pytest.mark.skipif(
    ROOT.is_relative_to("/tmp"),  # noqa: S108
    reason="the code lies below /tmp, which the confined service cannot see",
)
def test_it_works_with_nothing_writable_but_its_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = Path("/var/tmp") / tmp_path_factory.mktemp("confined").name  # noqa: S108 (not below /tmp, which is covered)
    written = dict(re.findall(r"(MPLCONFIGDIR)=(\S+)", (ROOT / "Dockerfile").read_text()))
    try:
        with (
            Stack(folder / "home", folder / "service.log", SETTINGS, written, AS_IN_A_CONTAINER) as stack,
            httpx.Client(base_url=stack.url, timeout=30) as client,
        ):
            jobs = [
                ("train", {"dataset": "digits", "name": "small", "latent_dim": 4, "epochs": 2}),
                (
                    "evaluate",
                    {"dataset": "digits", "model": "small", "labelled": 30, "draws": 1, "classifiers": ["knn"]},
                ),
                ("augment", {"dataset": "digits", "model": "small", "k": 1}),
            ]
            done = [ended(client, client.post(f"/v1/jobs/{kind}", json=params).json()) for kind, params in jobs]
            images = write_npy(np.zeros((5, 8, 8), np.uint8))
            answer = client.post("/v1/models/small/encode", content=images, headers={"Content-Type": NPY})
            status = stack.stop()
        log = (folder / "service.log").read_text()
    finally:
        shutil.rmtree(folder)

    assert [job["status"] for job in done] == ["succeeded"] * len(jobs)
    assert answer.status_code == 200
    assert status == 0
    assert "Read-only file system" not in log
