"""What a command's arguments name: data sets, models and jobs of the service, and images still on this machine."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentaug_client import Client, Invalid, Job, NotFound
from latentaug_client.folders import content, read_folder
from rich.console import Console
from rich.markup import escape

from latentaug.imaging.layout import listed
from service.cli.folders import read
from service.cli.scaling import is_large, scaled

WHOLE_ID = re.compile(r"[0-9a-f]{32}")
MOST_JOBS = 200
"""Most jobs among which the beginning of an id is looked for."""
ARCHIVES = {".zip", ".npz"}
SCALED = "Images were resized to {}x{} on this machine before they were sent, with the aspect kept and the rest filled."


def dataset(
    client: Client,
    source: str,
    size: tuple[int, int] | None,
    console: Console,
    unlabelled: Path | None = None,
    *,
    skip_bad: bool = False,
) -> str:
    """The data set that `source` names; a folder or a file is uploaded, unless the service has the same one already.

    Args:
        client: of the service.
        source: a folder, a .zip or .npz file, or the name of a data set.
        size: height and width in pixels that every uploaded image is resized to, or None.
        console: where a status line is shown during an upload, and afterwards what to know about the data set.
        unlabelled: a folder of more images, without labels, that are uploaded with a folder; or None.
        skip_bad: whether to go on without images that cannot be read.

    Raises:
        ValueError: there is no such data set, folder or file; or unlabelled images go with anything but a folder.
    """
    path = Path(source)
    if unlabelled is not None and not path.is_dir():
        raise ValueError(f"--unlabelled goes with a folder of class folders, and {source!r} is no folder here")
    if not path.exists():
        return _existing_dataset(client, source)
    name = dataset_name(path, size, unlabelled, skip_bad=skip_bad)
    try:
        client.dataset(name)
    except NotFound:
        with console.status(f"Uploading {path} as the data set {name}"):
            uploaded = _upload(client, name, path, size, unlabelled, skip_bad=skip_bad)
        console.print(escape(look(uploaded)), highlight=False)
        for warning in uploaded["warnings"]:
            console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)
    return name


def _upload(
    client: Client, name: str, path: Path, size: tuple[int, int] | None, unlabelled: Path | None, *, skip_bad: bool
) -> dict[str, Any]:
    """Upload a folder or a file; large photos of a folder are scaled down here first."""
    if path.is_dir() and size is not None and is_large((folder := read_folder(path, unlabelled)).images.values()):
        with tempfile.TemporaryDirectory() as place:
            archive = Path(place) / "images.zip"
            archive.write_bytes(scaled(folder, size))
            uploaded = client.upload(name, archive, size=size, skip_bad=skip_bad)
            uploaded["warnings"].append(SCALED.format(*size))
            return uploaded
    try:
        return client.upload(name, path, unlabelled=unlabelled, size=size, skip_bad=skip_bad)
    except Invalid as error:
        if error.status != 413 or size is not None or not path.is_dir():
            raise
        advice = "give --size 64x64, or another size, to have large photos scaled down here before they are sent"
        raise ValueError(f"{path} holds too much to send as it is; {advice}") from error


def look(described: Mapping[str, Any]) -> str:
    """One sentence on what a data set holds: its images, its classes and its parts."""
    shape = f"{described['height']}x{described['width']} {'in grey' if described['channels'] == 1 else 'in colour'}"
    classes = zip(described["classes"], described["class_counts"] or (), strict=False)
    counts = listed([f"{name} {count:,}" for name, count in classes], most=10) or "none"
    parts = described["parts"]
    split = f"{parts['train']:,} to train, {parts['validation']:,} to validate, {parts['test']:,} to test"
    unlabelled = f", {described['unlabelled']:,} without a class" if described["unlabelled"] else ""
    return f"{described['images']:,} images of {shape}; classes: {counts}{unlabelled}; {split}."


def dataset_name(
    path: Path, size: tuple[int, int] | None = None, unlabelled: Path | None = None, *, skip_bad: bool = False
) -> str:
    """A name for the data set made of a folder or a file.

    It tells contents and size apart, and whether bad images are left out, so that neither a changed folder nor another
    size is taken for what was uploaded before.

    Raises:
        ValueError: a file that is neither a .zip nor an .npz, or what `read_folder` raises.
    """
    digest = _digest_of_folder(path, unlabelled) if path.is_dir() else _digest_of_file(path)
    stem = path.resolve().name if path.is_dir() else path.stem
    readable = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[:40] or "images"
    return f"{readable}-{digest[:8]}" + (f"-{size[0]}x{size[1]}" if size else "") + ("-readable" if skip_bad else "")


def files(
    source: str, described: Mapping[str, Any], unlabelled: Path | None = None, *, skip_bad: bool = False
) -> list[Path] | None:
    """The images of a data set on this machine, in its order; None if it was made of no folder here.

    Args:
        source: what the data set was made of, as for `dataset`.
        described: its description.
        unlabelled: as for `dataset`.
        skip_bad: as for `dataset`.
    """
    folder = Path(source)
    if not folder.is_dir():
        return None
    found = list(read_folder(folder, unlabelled).images.values())
    if skip_bad and len(found) != described["images"]:
        found = read(folder, unlabelled, skip_bad=True).files
    return found if len(found) == described["images"] else None


def model_name(dataset: str) -> str:
    """The name of a data set's own model, unless the caller chooses one."""
    return f"{dataset[:60]}-vae"


def description(client: Client, model: str) -> dict[str, Any]:
    """The description of the model with this name.

    Raises:
        ValueError: there is none.
    """
    try:
        return client.model(model)
    except NotFound:
        others = [str(other["name"]) for other in client.models()]
        raise ValueError(f"there is no model named {model!r}; {_choice(others)}") from None


def job(client: Client, job_id: str) -> Job:
    """The job with this id, or the only one whose id begins so.

    Raises:
        ValueError: there is none, or there are several.
    """
    if WHOLE_ID.fullmatch(job_id):
        try:
            return client.job(job_id)
        except NotFound:
            pass
    found = [job for job in client.jobs(limit=MOST_JOBS) if job.id.startswith(job_id.lower())] if job_id else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise ValueError(f"there is no job with the id {job_id}; `latentaug jobs` lists the newest")
    several = ", ".join(job.id for job in found[:5])
    raise ValueError(f"{len(found)} jobs have ids that begin with {job_id}: {several}; type more of the one you mean")


def pair(size: str | None) -> tuple[int, int] | None:
    """The height and width that `28x28` says.

    Raises:
        ValueError: it says none.
    """
    if size is None:
        return None
    sides = re.fullmatch(r"(\d+) ?[xX] ?(\d+)", size.strip(), re.ASCII)
    if sides is None:
        raise ValueError(f"--size is a height and a width in pixels, such as 28x28, and not {size!r}")
    return int(sides[1]), int(sides[2])


def _existing_dataset(client: Client, name: str) -> str:
    try:
        return str(client.dataset(name)["name"])
    except NotFound:
        names = [str(dataset["name"]) for dataset in client.datasets()]
        raise ValueError(f"{name!r} is neither a folder or file here nor a data set; {_choice(names)}") from None


def _choice(names: list[str]) -> str:
    return f"the service has {', '.join(names)}" if names else "the service has none yet"


def _digest_of_folder(folder: Path, unlabelled: Path | None) -> str:
    digest = hashlib.sha256()
    for name, path in read_folder(folder, unlabelled).images.items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(content(path)).digest())
    return digest.hexdigest()


def _digest_of_file(path: Path) -> str:
    if path.suffix.lower() not in ARCHIVES:
        raise ValueError(f"{path} is neither a folder nor a .zip or .npz file; give one of these")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
