"""What a command's arguments name: data sets, models and jobs of the service, and images still on this machine."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from latentaug_client import Client, Invalid, Job, NotFound
from latentaug_client.folders import content, read_folder
from rich.console import Console
from rich.markup import escape

from latentaug.imaging.intake import MOST_IN_A_SENTENCE, Unreadable, listed_unreadable
from latentaug.imaging.layout import listed, told_passed_over
from latentaug.imaging.phrases import counted
from service.cli.folders import read
from service.cli.not_taken import Left
from service.cli.progress import status, warn
from service.cli.reading import PLAIN, ReadAs, path_of
from service.cli.scaling import bytes_of, is_large, scaled

_REFUSED = re.compile(r"([\d,]+) images? cannot be read: ")
"""How the service begins to refuse images that cannot be read."""
WHOLE_ID = re.compile(r"[0-9a-f]{32}")
MOST_JOBS = 200
"""Most jobs among which a part of an id is looked for."""
ENOUGH_OF_ID = 8
"""Characters at the end of a job's id that tell it from all others."""
MOST_AT_ONCE = 2**31
"""Bytes of images, at most, that are put together to be sent: the zip of an upload is in memory, twice for a moment."""
LONGEST_NAME = 64
"""Characters of the name of a data set or a model, at most."""
ARCHIVES = {".zip", ".npz"}
SCALED = "Images were resized to {}x{} on this machine before they were sent, with the aspect kept and the rest filled."


def dataset(
    client: Client,
    source: str,
    console: Console,
    how: ReadAs = PLAIN,
) -> str:
    """The data set that `source` names; a folder or a file is uploaded, unless the service has the same one already.

    Args:
        client: of the service.
        source: a folder, a .zip or .npz file, or the name of a data set.
        console: where a status line is shown during an upload, and afterwards what to know about the data set.
        how: how a folder or a file is read.

    Raises:
        ValueError: there is no such data set, folder or file; or `how` says something that does not go with it.
    """
    path = path_of(source)
    if how.unlabelled is not None and not path.is_dir():
        raise ValueError(f"--unlabelled goes with a folder of class folders, and {source!r} is no folder here")
    if not path.exists():
        return _existing_dataset(client, source, how)
    name = dataset_name(path, how)
    try:
        described = client.dataset(name)
    except NotFound:
        with status(f"Uploading {path} as the data set {name}", console):
            described = _upload(client, name, path, how)
        console.print(escape(look(described)), highlight=False)
        warn(described["warnings"], console)
    else:
        console.print(
            f"The same images were uploaded before. To see what there is to know about them, type: latentaug datasets "
            f"{name}",
            highlight=False,
            soft_wrap=True,
        )
        warn(_left_out(described, path, how), console)
    if (described["unreadable"] or {"images": 0})["images"] > MOST_IN_A_SENTENCE:
        said = f"To see all images that cannot be read, type: latentaug datasets {name}"
        console.print(said, highlight=False, soft_wrap=True)
    return name


def _left_out(described: Mapping[str, Any], path: Path, how: ReadAs) -> list[str]:
    """What was not taken of a folder or a file whose images were uploaded before, in sentences."""
    if not path.is_dir():  # the same file to the last byte
        return list(described["warnings"])
    bad = [Unreadable(*each) for each in not_read(described)]
    told = [f"Left out, as they cannot be read: {listed_unreadable(bad)}."] if bad else []
    others = read_folder(path, how.unlabelled).others  # which may be others than at the upload
    return told + told_passed_over(others, has_classes=len(described["classes"]) > 1)


def not_read(described: Mapping[str, Any]) -> Left:
    """The images that a data set lacks as they cannot be read, each with the reason, as far as its description goes."""
    return [(bad["file"], bad["reason"]) for bad in (described["unreadable"] or {"files": []})["files"]]


def _upload(client: Client, name: str, path: Path, how: ReadAs) -> dict[str, Any]:
    """Upload a folder or a file; large photos of a folder are scaled down here first."""
    size = how.size
    advice = "give --size 64x64, or another size, to have large photos scaled down here before they are sent"
    if path.is_dir() and size is not None and is_large((folder := read_folder(path, how.unlabelled)).images.values()):
        with tempfile.TemporaryDirectory() as place:
            archive = Path(place) / "images.zip"
            archive.write_bytes(scaled(folder, size))
            uploaded = client.upload(name, archive, **how.upload)
            uploaded["warnings"].append(SCALED.format(*size))
            return uploaded
    if path.is_dir() and bytes_of(read_folder(path, how.unlabelled).images.values()) > MOST_AT_ONCE:
        raise ValueError(f"{path} holds too much to send as it is; {advice}")
    try:
        return client.upload(name, path, unlabelled=how.unlabelled, **how.upload)
    except Invalid as error:
        if refused := _REFUSED.match(error.detail):
            raise ValueError(_naming_all(int(refused[1].replace(",", "")), error.errors)) from error
        if error.status != 413 or size is not None or not path.is_dir():
            raise
        raise ValueError(f"{path} holds too much to send as it is; {advice}") from error


def _naming_all(count: int, errors: Sequence[tuple[str, str]]) -> str:
    """That images cannot be read, with all their names, of which the service's own sentence has the first alone."""
    all_of_them = listed_unreadable([Unreadable(file, reason) for file, reason in errors], None)
    more = f"; and {count - len(errors):,} more" if count > len(errors) else ""
    return (
        f"{counted(count, 'image')} cannot be read: {all_of_them}{more}; save such images anew, or give --skip-bad to "
        "go on without them"
    )


def look(described: Mapping[str, Any]) -> str:
    """One sentence on what a data set holds: its images, its classes and its parts."""
    shape = f"{described['height']}x{described['width']} {'in grey' if described['channels'] == 1 else 'in colour'}"
    classes = zip(described["classes"], described["class_counts"] or (), strict=False)
    counts = listed([f"{name} {count:,}" for name, count in classes], most=10) or "none"
    parts = described["parts"]
    split = f"{parts['train']:,} to train, {parts['validation']:,} to validate, {parts['test']:,} to test"
    unlabelled = f", {described['unlabelled']:,} without a class" if described["unlabelled"] else ""
    left = described["left_out"]
    out = f" {counted(left['images'], 'image')} in no part: {left['reason']}" if left else ""
    return f"{counted(described['images'], 'image')} of {shape}; classes: {counts}{unlabelled}; {split}.{out}"


def dataset_name(path: Path, how: ReadAs = PLAIN) -> str:
    """A name for the data set made of a folder or a file.

    It tells contents apart, and how they are read, so that neither a changed folder nor another size is taken for what
    was uploaded before.

    Raises:
        ValueError: a file that is neither a .zip nor an .npz, or what `read_folder` raises.
    """
    digest = _digest_of_folder(path, how.unlabelled) if path.is_dir() else _digest_of_file(path)
    stem = path.resolve().name if path.is_dir() else path.stem
    rest = f"-{digest[:8]}{how.marks}"
    readable = re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-")[: min(40, LONGEST_NAME - len(rest))] or "images"
    return readable + rest


def images(source: str, described: Mapping[str, Any], how: ReadAs) -> dict[str, Path] | None:
    """The images of a data set on this machine, in its order, by name; None if it was made of no folder here.

    Args:
        source: what the data set was made of, as for `dataset`.
        described: its description.
        how: as for `dataset`.
    """
    folder = Path(source)
    if not folder.is_dir():
        return None
    found = read_folder(folder, how.unlabelled).images
    if how.skip_bad and len(found) != described["images"]:
        taken = set(read(folder, how).files)
        found = {name: path for name, path in found.items() if path in taken}
    return found if len(found) == described["images"] else None


def model_name(dataset: str, **options: Any) -> str:
    """The name of a data set's own model, unless the caller chooses one.

    It tells ways to train apart, so that a quick try is never taken for the model that is trained by default.
    """
    marks = "".join(f"-{option}-{value:.15g}" for option, value in sorted(options.items())).replace(".", "_")
    name = f"{dataset}-vae{marks.replace('+', '')}"
    return name if len(name) <= LONGEST_NAME else f"{name[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}-vae"


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


def job(client: Client, typed: str) -> Job:
    """The job with this id, or the only one whose id begins or ends so.

    Raises:
        ValueError: there is none, or there are several.
    """
    found = jobs_like(client, typed)
    if len(found) == 1:
        return found[0]
    if not found:
        raise ValueError(f"there is no job with the id {typed}; `latentaug jobs` lists the newest")
    raise ValueError(several(found, typed))


def jobs_like(client: Client, typed: str) -> list[Job]:
    """The job with this id, or those of the newest whose ids begin or end so.

    Ids begin with the time, so that jobs of one minute begin alike, and end in random characters.
    """
    if WHOLE_ID.fullmatch(typed):
        try:
            return [client.job(typed)]
        except NotFound:
            return []
    part = typed.lower()
    newest = client.jobs(limit=MOST_JOBS) if typed else []
    return [job for job in newest if job.id.startswith(part) or job.id.endswith(part)]


def several(jobs: Sequence[Job], typed: str) -> str:
    """That more than one job may be meant, and how to say which."""
    ids = listed([job.id for job in jobs])
    return (
        f"{len(jobs)} jobs have ids that begin or end with {typed}: {ids}; type more of the one you mean, or its last "
        f"{ENOUGH_OF_ID} characters"
    )


def _existing_dataset(client: Client, name: str, how: ReadAs) -> str:
    try:
        found = str(client.dataset(name)["name"])
    except NotFound:
        names = [str(dataset["name"]) for dataset in client.datasets()]
        raise ValueError(f"{name!r} is neither a folder or file here nor a data set; {_choice(names)}") from None
    if how != PLAIN:
        raise ValueError(
            f"{name!r} is a data set that the service has, whose images have been read already; leave out --size, "
            "--bits and --skip-bad, or name a folder or a file"
        )
    return found


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
