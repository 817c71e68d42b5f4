"""What the build takes from this machine: its tools, and where its pip finds packages."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pip._internal.models.index import PyPI

TOOLS = {"buildah": "buildah", "ip": "iproute2", "mmdebstrap": "mmdebstrap", "tini": "tini"}
"""Commands that are needed, and the Debian packages that bring them."""
TORCH_INDEX = "TORCH_INDEX_URL"
"""The variable of docker-compose.yml that says which index torch comes from; empty for the locked build."""
_WHERE = {
    "cert", "client-cert", "default-timeout", "extra-index-url", "find-links", "index-url", "proxy", "trusted-host"
}  # fmt: skip
"""Options of pip that say where packages come from and how they are reached."""


def lacking() -> str | None:
    """Return what stands in the way of building here and what to do about it; None if nothing does."""
    if os.geteuid() != 0:
        return "Building an image with no engine takes root; run this as root."
    packages = [package for command, package in TOOLS.items() if shutil.which(command) is None]
    if packages:
        return f"Tools are missing; install them, on Debian by: apt-get install {' '.join(packages)}"
    return None


def pip_options() -> dict[str, str]:
    """Return what pip on this machine has been told about where packages come from, by files and by variables."""
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    lines = [line.partition("=") for line in said.stdout.splitlines()]
    lines.sort(key=lambda line: line[0].startswith(":env:"))  # variables count more than files
    options = {name.rpartition(".")[2]: str(ast.literal_eval(value)) for name, _, value in lines}
    return {name: value for name, value in options.items() if name in _WHERE}


def folders_and_files(options: Mapping[str, str]) -> Iterator[Path]:
    """Yield what these options of pip name on this machine's disk."""
    for word in " ".join(options.values()).split():
        if word.startswith("file:"):
            yield Path(url2pathname(urlsplit(word).path)).parent  # an index may name files that lie beside it
        elif Path(word).is_absolute():
            yield Path(word)


def torch_index() -> str:
    """Return where the image's torch comes from: as the caller says, or else the same kind of build as here."""
    of_this_machine = pip_options().get("index-url", PyPI.simple_url) if version("torch").endswith("+cpu") else ""
    return os.environ.get(TORCH_INDEX, of_this_machine)
