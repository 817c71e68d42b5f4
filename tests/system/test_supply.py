"""What the image is built from is locked and is what is tested; what runs of it is confined."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.system.composition import COMPOSE

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements-torch.lock", "requirements.lock")
SHIPPED_EXTRAS = ("mlflow", "tracing", "build")
_PINNED = re.compile(r"^([a-z0-9-]+)==([^ ;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def _named(requirement: str) -> str:
    """The normalised name in a requirement."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def _locked() -> dict[str, set[str]]:
    """The versions of each locked package; several where they differ by platform."""
    found: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in _PINNED.findall((ROOT / lock).read_text()):
            found.setdefault(name, set()).add(version)
    return found


def test_what_is_locked_is_what_is_tested() -> None:
    tested = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines())
    tested = {_named(name): version for name, version in tested.items()}
    locked = _locked()
    assert len(locked) > 60
    differ = {name: versions for name, versions in locked.items() if name in tested and {tested[name]} != versions}
    assert differ == {}, "run `make lock`"


def test_everything_that_the_service_needs_is_locked() -> None:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *(each for extra in SHIPPED_EXTRAS for each in extras[extra])]
    assert {_named(requirement) for requirement in needed} - set(_locked()) == set(), "run `make lock`"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_is_held_by_hashes_and_no_place_is_named(lock: str) -> None:
    text = (ROOT / lock).read_text()
    entries = re.split(r"\n(?=[a-z])", text)
    assert len(entries) == len(_PINNED.findall(text))
    assert [entry.split()[0] for entry in entries if not _HASH.search(entry)] == []
    assert "://" not in text


def test_the_image_takes_nothing_that_is_not_locked() -> None:
    installs = re.findall(r"/pip install ([^\n\\]*)", (ROOT / "Dockerfile").read_text())
    assert len(installs) == 4
    chosen_build = [line for line in installs if "$TORCH_INDEX_URL" in line]
    assert len(chosen_build) == 1, "torch alone may come from another index, by its version"
    assert chosen_build[0].split()[-1].rstrip(";") == "torch"
    for line in set(installs) - set(chosen_build):
        assert "--no-deps" in line
        assert "--require-hashes" in line or "--no-build-isolation ." in line


@pytest.mark.parametrize("service", COMPOSE["services"])
def test_every_container_is_confined(service: str) -> None:
    described = COMPOSE["services"][service]
    assert described["read_only"] is True
    assert described["cap_drop"] == ["ALL"]
    assert "cap_add" not in described
    assert described["security_opt"] == ["no-new-privileges:true"]
    assert described["pids_limit"] > 0
    assert described["user"].split(":")[0] not in ("", "0", "root")
    assert "privileged" not in described
    assert not [
        port for port in described.get("ports", []) if not re.match(r"127\.0\.0\.1:|\$\{LATENTAUG_PUBLISH", port)
    ]
