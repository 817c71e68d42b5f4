"""What the paths of images say: which files are passed over, what label each image has, which part it is in.

The rules are the same for a zip, a folder and the page's upload; docs/reading.md tells them.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from latentaug.errors import InvalidInput
from latentaug.imaging.phrases import counted

MANIFEST, TALLY = "manifest.csv", "tally.json"
"""What our own zips hold beside the images."""
UNLABELLED_FOLDER = "unlabelled"
UNLABELLED_FOLDERS = {UNLABELLED_FOLDER, "unlabeled"}
"""Names, in any case, of folders whose images have no label, however deep below them they lie."""
SYSTEM_FOLDERS = frozenset(
    ("__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "#recycle", "@recycle")
)
"""Names, in lower case, of folders that systems make. They are passed over, and so is what begins with a dot."""
_PART = re.compile(
    r"(?:(train|training)|(val|valid|validation)|(test|testing))[ _-]?(?:set|data|images)?[ _-]?\d*", re.I
)
"""Names of folders that are parts of a data set: train, valid and test, also as training_set, val2017 or test1."""
CONTAINERS = {"images", "image", "imgs", "img"}
"""Names, in lower case, of folders that only hold a class's images and are no class."""
TABLES = {".csv", ".tsv", ".xls", ".xlsx", ".ods", ".parquet", ".json"}
"""Suffixes, in lower case, of files in which labels may stand."""
WHOLE_FOLDER = ("/", "/...")
"""How names end that stand for all that a hidden folder holds: in a folder, and in a zip that the client makes."""
_NO_CLASSES = "No image lies in the folder of a class, so none has a label. If there are classes, give each a folder."
MAX_LABEL = 100  # characters
MOST_NAMED = 5
"""Files that a sentence names at most."""


@dataclass(frozen=True)
class Layout:
    """What the paths of some images say.

    Attributes:
        labels: the label of each image, None for one that has none; or None where no image has one.
        parts: the part of each image: train, validation, test, or None for one that lies in none; or None in all where
            no folders are parts.
        warnings: what may not be as it was meant, in sentences.
    """

    labels: list[str | None] | None
    parts: list[str | None] | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def has_classes(self) -> bool:
        """Whether there are several classes."""
        return len(set(self.labels or ()) - {None}) > 1


def passed_over(name: str) -> str | None:
    """The hidden or system folder, or the hidden file, that makes a path one to pass over; None for any other path.

    A path that ends with "/" is one of a folder.
    """
    parts = PurePosixPath(name).parts
    for depth, part in enumerate(parts, start=1):
        if part.startswith(".") or part.casefold() in SYSTEM_FOLDERS:
            return "/".join(parts[:depth]) + ("/" if depth < len(parts) or name.endswith("/") else "")
    return None


def arrange(names: Sequence[str]) -> Layout:
    """Tell labels and parts by the folders that images lie in.

    An image's label is its innermost folder, or the one around that if the innermost is only called images. A single
    folder around everything is no label. Folders train, valid and test at the top, or as the innermost ones, are parts.

    Args:
        names: the path of each image, with "/" between folders.

    Raises:
        InvalidInput: some images lie beside the class folders, or a folder's name cannot be a label.
    """
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    folders, parts = _without_parts(_without_top(folders))
    folders = _without_top(folders)
    if parts is not None:  # train/images beside train/cat: of no class
        folders = [() if len(path) == 1 and path[0].casefold() in CONTAINERS else path for path in folders]
    unlabelled = [any(folder.casefold() in UNLABELLED_FOLDERS for folder in path) for path in folders]
    labels = [None if out or not path else _label(path) for path, out in zip(folders, unlabelled, strict=True)]
    loose = [i for i, path in enumerate(folders) if not path]
    found = {label for label in labels if label is not None}
    if loose and found and any(parts is None or parts[i] in ("train", None) for i in loose):
        first, rest = names[loose[0]][-MAX_LABEL:], len(loose) - 1
        more, them = (f", and so {'does' if rest == 1 else 'do'} {rest:,} more", "them") if rest else ("", "it")
        raise InvalidInput(
            f"{first!r} lies beside the class folders{more}; move {them} into class folders, or into a folder "
            f"{UNLABELLED_FOLDER!r} for images without a class"
        )
    for label in sorted(found):
        check_label(label)
    if not found:
        return Layout(None, parts, [] if parts is None or all(unlabelled) else [_NO_CLASSES])
    if len(found) == 1 and None not in labels and _is_no_class(only := found.pop()):
        told = (
            f"All images lie in the folder {only!r}, so they have no labels. If there are classes, give each a folder."
        )
        return Layout(None, parts, [told])
    return Layout(labels, parts, _doubts(folders, labels))


def part_of(folder: str) -> str | None:
    """The part that a folder of this name is: train, validation or test; None for any other folder."""
    found = _PART.fullmatch(folder)
    return None if found is None else ("train", "validation", "test")[(found.lastindex or 1) - 1]


def check_label(label: str) -> None:
    """Refuse a folder's name that cannot be a label.

    Raises:
        InvalidInput: it is too long, or holds characters that cannot be seen.
    """
    if len(label) > MAX_LABEL:
        raise InvalidInput(
            f"the folder name {label[:40] + '...'!r} has {len(label)} characters, and a label has at most {MAX_LABEL}; "
            "shorten it"
        )
    if not label.isprintable():
        raise InvalidInput(f"the folder name {label!r} holds a character that cannot be seen; rename the folder")


def listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """The first of some names, and how many there are besides."""
    shown = ", ".join(name if len(name) <= MAX_LABEL else f"...{name[-MAX_LABEL:]}" for name in names[:most])
    return shown + (f" and {len(names) - most:,} more" if len(names) > most else "")


def told_passed_over(names: Sequence[str], *, has_classes: bool = True) -> list[str]:
    """What to tell about the files that were passed over, each by its path; nothing if there are none.

    Args:
        names: their paths.
        has_classes: whether there are several; if not, a table among the files may have been meant to give them.
    """
    others = [name for name in names if PurePosixPath(name).name not in (MANIFEST, TALLY)]
    what = dict.fromkeys(passed_over(name) or name for name in others)
    if not what:
        return []
    folders = sum(name.endswith(WHOLE_FOLDER) for name in others)
    told = [f"{_others(len(others) - folders, folders)} passed over: {listed(list(what))}."]
    tables = [name for name in what if PurePosixPath(name).suffix.lower() in TABLES]
    if tables and not has_classes:
        told.append(
            f"Labels are the names of folders, and none is read from {listed(tables)}: put the images of each class "
            "into a folder of its own."
        )
    return told


def _others(files: int, folders: int) -> str:
    """How many files and folders were passed over, and why, up to "were"."""
    hidden = counted(folders, "hidden folder")
    if not files:
        return f"{hidden} {'was' if folders == 1 else 'were'}"
    if files + folders == 1:
        return "1 file is no image or is hidden, and was"
    both = f"{counted(files, 'file')} and {hidden}" if folders else counted(files, "file")
    return f"{both} are no images or are hidden, and were"


Folders = list[tuple[str, ...]]


def _without_top(folders: Folders) -> Folders:
    """The folders below a single one around everything, as long as images lie deeper still."""
    while folders and all(folders) and len({path[0] for path in folders}) == 1 and max(map(len, folders)) > 1:
        if folders[0][0].casefold() in UNLABELLED_FOLDERS:
            break
        folders = [path[1:] for path in folders]
    return folders


def _without_parts(folders: Folders) -> tuple[Folders, list[str | None] | None]:
    """The folders without those that are parts, and the part of each image; None if there are no parts."""
    for end, least in ((0, 1), (-1, 2)):
        if not all(len(path) >= least for path in folders):
            continue
        names = [path[end].casefold() for path in folders]
        pool = [end == 0 and name in UNLABELLED_FOLDERS for name in names]
        parts = [part_of(name) for name in names]
        if all(part or free for part, free in zip(parts, pool, strict=True)) and {"train"} < set(parts) - {None}:
            kept = [slice(None) if free else slice(1, None) if end == 0 else slice(-1) for free in pool]
            return [path[some] for path, some in zip(folders, kept, strict=True)], parts
    return folders, None


def _is_no_class(folder: str) -> bool:
    return folder.casefold() in CONTAINERS or part_of(folder) is not None


def _label(path: tuple[str, ...]) -> str:
    return path[-2] if len(path) > 1 and path[-1].casefold() in CONTAINERS else path[-1]


def _doubts(folders: Folders, labels: Sequence[str | None]) -> list[str]:
    """What about these folders and their labels may not be as it was meant."""
    told = []
    known = sorted({label for label in labels if label is not None})
    if len(known) == 1 and None not in labels:
        told.append(
            f"All images lie in one folder, so there is one class, {known[0]!r}. If there are more, give each a folder."
        )
    places: dict[str, set[tuple[str, ...]]] = {}
    for path, label in zip(folders, labels, strict=True):
        if label is not None:
            places.setdefault(label, set()).add(path[:-1] if path[-1] != label else path)
    classes = set().union(*places.values())
    nested = [path for path in classes if any(path[:end] in classes for end in range(1, len(path)))]
    if nested:
        inner = listed(sorted(map("/".join, nested)))
        told.append(f"A folder in a class folder is a class of its own: {inner}. If it is none, move its images up.")
    if shared := [label for label in known if len(places[label]) > 1]:
        paths = sorted("/".join(path) for path in places[shared[0]])
        told.append(f"Folders of the same name are one class: {listed(shared)} (such as {listed(paths, 2)}).")
    words = [label for label in known if len(label) > 1]  # letters are classes of their own
    alike = Counter(map(_bare, words))
    if twins := [label for label in words if alike[_bare(label)] > 1]:
        told.append(
            f"Some classes differ only in capitals, spaces or accents: {', '.join(map(repr, twins[:MOST_NAMED]))}. "
            "If they are the same, rename their folders."
        )
    return told


def _bare(label: str) -> str:
    """A label without capitals, spaces and accents."""
    letters = unicodedata.normalize("NFKD", label).casefold()
    return "".join(letter for letter in letters if letter not in " _-" and not unicodedata.combining(letter))
