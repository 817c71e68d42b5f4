"""Debian's buildah: builds images as root, with no daemon, and unpacks them into folders."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Image:
    """An image, unpacked.

    Attributes:
        root: the folder that holds its file system.
        command: what it runs by default.
        environment: the variables that it sets.
        user: the number of the user that it runs as.
        folder: the folder that it runs in.
    """

    root: Path
    command: Sequence[str]
    environment: Mapping[str, str]
    user: str
    folder: str


class Buildah:
    """Keeps all that it builds in one folder.

    Args:
        folder: is there and empty; `close` deletes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def build(self, name: str, context: Path, *options: str, dockerfile: str | None = None) -> None:
        """Build an image.

        Args:
            name: what it is called from then on.
            context: the folder of its Dockerfile and of what that copies.
            options: of `buildah build`.
            dockerfile: the text of the Dockerfile, where it is no file of the context.
        """
        file = self._folder / "Dockerfile" if dockerfile else context / "Dockerfile"
        if dockerfile:
            file.write_text(dockerfile)
        self._run(
            "build", "--isolation", "chroot", "--pull-never", *options, "--file", str(file), "--tag", name, str(context)
        )

    def unpack(self, name: str) -> Image:
        """Unpack an image that was built."""
        container = self._said("from", "--pull-never", name)
        described = json.loads(self._said("inspect", "--type", "image", name))["OCIv1"]["config"]
        return Image(
            Path(self._said("mount", container)),
            described["Cmd"],
            dict(variable.split("=", 1) for variable in described["Env"]),
            described["User"],
            described["WorkingDir"],
        )

    def close(self) -> None:
        """Delete everything."""
        self._run("rm", "--all")
        shutil.rmtree(self._folder)

    def _run(self, *arguments: str) -> None:
        subprocess.run(self._command(*arguments), check=True)

    def _said(self, *arguments: str) -> str:
        return subprocess.run(self._command(*arguments), check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def _command(self, *arguments: str) -> list[str]:
        places = ["--root", str(self._folder / "root"), "--runroot", str(self._folder / "run")]
        return ["buildah", *places, "--storage-driver", "vfs", *arguments]
