"""The image of the Dockerfile, on a base image that is made of Debian's packages rather than fetched."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.image import host
from bench.image.buildah import Buildah, Image

ROOT = Path(__file__).parents[2]
NAME = "latentaug"
FOLDER = ROOT / "build" / "image"
"""Where images are built."""
_BASE = re.compile(
    r"^ARG PYTHON_VERSION=(?P<version>\S+)$.*^FROM python:\S+-slim-(?P<suite>\w+)$", re.MULTILINE | re.DOTALL
)
_PACKAGES = "ca-certificates,python-is-python3,python3-venv"
"""What the base image has beside Debian's smallest system."""
_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
_UNREAD = "/usr/share/doc/* /usr/share/locale/* /usr/share/man/*"
"""What slim images lack."""


@contextmanager
def built(folder: Path) -> Iterator[tuple[Image, float]]:
    """Build the image, and have it unpacked for as long as the block lasts; tell how many seconds the build took.

    Args:
        folder: where everything is kept meanwhile. It must not be there; it takes up to 8 GB.

    Raises:
        SystemExit: nothing can be built here.
    """
    if sentence := host.lacking():
        raise SystemExit(sentence)
    if folder.exists():
        raise SystemExit(f"Another build may be using {folder}. If none does, delete it and try again.")
    folder.mkdir(parents=True)
    buildah = Buildah(folder)
    try:
        seconds = _build(buildah, folder)
        yield buildah.unpack(NAME), seconds
    finally:
        buildah.close()


def home(image: Image, folder: Path) -> Path:
    """Make the folder that a container of the image has as its empty volume: it belongs to the image's user."""
    folder.mkdir(mode=0o700)
    os.chown(folder, int(image.user), int(image.user))
    return folder


def _build(buildah: Buildah, folder: Path) -> float:
    """Build the image; return how many seconds it took, without the base image."""
    try:
        _make_base(buildah, folder)
        began = time.monotonic()
        buildah.build(NAME, ROOT, *_as_here(folder))
    except subprocess.CalledProcessError as error:
        raise SystemExit(
            f"The image was not built: {error.cmd[0]} failed, and said why above. The build needs the network, for "
            "Debian's packages and for those that pip installs."
        ) from error
    return time.monotonic() - began


def _make_base(buildah: Buildah, folder: Path) -> None:
    """Make the Dockerfile's base image, with Debian's Python rather than the one that it is named after."""
    named = _BASE.search((ROOT / "Dockerfile").read_text())
    assert named, "the Dockerfile names its base image as another one than this looks for"
    archive = folder / "base" / "root.tar"
    archive.parent.mkdir()
    unread = [f"--dpkgopt=path-exclude={path}" for path in _UNREAD.split()]
    subprocess.run(
        [
            "mmdebstrap",
            "--variant=minbase",
            f"--include={_PACKAGES}",
            *unread,
            named["suite"],
            str(archive),
        ],
        check=True,
    )
    buildah.build(
        f"docker.io/library/python:{named['version']}-slim-{named['suite']}",
        archive.parent,
        dockerfile=f"FROM scratch\nADD {archive.name} /\nENV PATH={_PATH}\n",
    )
    archive.unlink()


def _as_here(folder: Path) -> list[str]:
    """Options with which pip in the build finds packages where pip on this machine does."""
    options = host.pip_options()
    configuration = folder / "pip.conf"
    configuration.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in options.items()))
    mounts = [f"{configuration}:/etc/pip.conf:ro", *(f"{path}:{path}:ro" for path in host.folders_and_files(options))]
    return ["--build-arg", f"{host.TORCH_INDEX}={host.torch_index()}", *(f"--volume={mount}" for mount in mounts)]
