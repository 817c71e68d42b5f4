"""The README's curl calls work as pasted: they are cut out of it and run against the service."""

import re
import subprocess
import time
import zipfile
from pathlib import Path

from examples.running import running_service
from latentaug.images import Limits, decode_image

ROOT = Path(__file__).parents[2]


def test_the_curl_calls_work_as_pasted(tmp_path: Path) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 1
    assert blocks[0].count("curl -s") == 5
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with running_service(tmp_path / "home") as service:
        script = blocks[0].replace("http://127.0.0.1:8000", service.url)
        subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, check=True, timeout=120)
        with zipfile.ZipFile(tmp_path / "augmented.zip") as archive:
            names = archive.namelist()
        assert sum(name.endswith(".png") for name in names) == 150
        sheet = decode_image((tmp_path / "augmented.png").read_bytes(), Limits())
        assert sheet.shape[0] > 50 * 8
        evaluate = service.json("GET", "/v1/jobs?kind=evaluate")["jobs"][0]
        deadline = time.monotonic() + 100
        while evaluate["status"] in ("queued", "running"):
            assert time.monotonic() < deadline, evaluate
            time.sleep(0.3)
            evaluate = service.json("GET", f"/v1/jobs/{evaluate['id']}")
        assert evaluate["status"] == "succeeded", evaluate
        report = service.call("GET", f"/v1/jobs/{evaluate['id']}/result", accept="text/markdown").decode()
    assert "svm" in report.lower()
    assert any(verdict in report for verdict in ("helps", "harms", "cannot tell"))
