"""UJIPEN: both formats read strictly, strokes drawn as they were written, parts of 50/5/45."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentaug import datasets
from latentaug.datasets import ujipen
from latentaug.datasets.penfiles import read_version_1, read_version_2
from latentaug.datasets.strokes import Pen, draw
from latentaug.errors import InvalidInput, MalformedInput, TooLarge, Unavailable
from latentaug.runtime.settings import Settings, load
from latentaug.storage.objects import ArtefactStore

VERSION_2 = """\
//
// UJI: 100 units per millimetre
// Non-ASCII char: ntilde
WORD ñ trn_UJI_W01-01
  NUMSTROKES 2
  POINTS 3 # 100 200 100 200 400 -50
  POINTS 1 # 250 20

// UPV: 152 units per millimetre
// ASCII char: /
WORD € tst_UPV_W60-02
  NUMSTROKES 1
  POINTS 2 # 0 0 152 304
"""

VERSION_1 = """\
.LEXICON "a" "b"
.COMMENT Class #01: [A] = { "a" , "A" }
.HIERARCHY CHARACTER

.SEGMENT CHARACTER 0 ? "a"
.COMMENT Class [A]

.PEN_DOWN
 557  844
1550 -803
.PEN_UP
.DT 100

.SEGMENT CHARACTER 1-2 ? "i"
.PEN_DOWN
 1 2
.PEN_UP
.DT 100
.PEN_DOWN
 3 4
.PEN_UP
.DT 100
"""


def _version_2(characters: str, heights: dict[str, int] | None = None) -> str:
    """A whole file of version 2: every character by 60 writers, twice, as a slanted line with a dot below."""
    lines = ["// UJI: 100 units per millimetre"]
    for character in characters:
        height = (heights or {}).get(character, 500)
        for writer in range(1, 61):
            site, units = ("UJI", 100) if writer <= 16 else ("UPV", 152)
            part = "trn" if writer <= 40 else "tst"
            foot = f"{200 * units // 100} {height * units // 100}"
            for session in (1, 2):
                lines += [
                    f"// ASCII char: {character}",
                    f"WORD {character} {part}_{site}_W{writer:02}-{session:02}",
                    "  NUMSTROKES 2",
                    f"  POINTS 2 # 0 0 {foot}",
                    f"  POINTS 1 # {foot}",
                ]
    return "\n".join(lines) + "\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", data_dir=tmp_path / "data")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the files of a local copy are looked for."""
    path = tmp_path / "data" / "ujipen"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ujipen, "URL", (tmp_path / "nothing.zip").as_uri())


# The files


def test_version_2_is_read_in_millimetres_of_either_site() -> None:
    ntilde, euro = read_version_2(VERSION_2.encode(), "x")
    assert (ntilde.label, euro.label) == ("ñ", "€")
    assert [stroke.tolist() for stroke in ntilde.strokes] == [[[1, 2], [1, 2], [4, -0.5]], [[2.5, 0.2]]]
    assert [stroke.tolist() for stroke in euro.strokes] == [[[0, 0], [1, 2]]]


def test_version_1_is_read_in_millimetres() -> None:
    a, i = read_version_1(VERSION_1.encode(), "x")
    assert (a.label, i.label) == ("a", "i")
    assert [stroke.tolist() for stroke in a.strokes] == [[[5.57, 8.44], [15.5, -8.03]]]
    assert [stroke.tolist() for stroke in i.strokes] == [[[0.01, 0.02]], [[0.03, 0.04]]]


def test_lines_may_end_as_on_windows() -> None:
    for read, text in ((read_version_1, VERSION_1), (read_version_2, VERSION_2)):
        labels = [[c.label for c in read(version.encode(), "x")] for version in (text, text.replace("\n", "\r\n"))]
        assert labels[0] == labels[1]


@pytest.mark.parametrize(
    ("there", "instead", "line"),
    [
        ("WORD ñ", "WORD ññ", 4),
        ("trn_UJI_W01-01", "trn_MIT_W01-01", 4),
        ("NUMSTROKES 2", "NUMSTROKES 0", 5),
        ("NUMSTROKES 2", "NUMSTROKES 1", 7),
        ("NUMSTROKES 2", "NUMSTROKES 3", 11),
        ("NUMSTROKES 2", "NUMSTROKES 999999999", 5),
        ("POINTS 3 # 100 200 100 200 400 -50", "POINTS 2 # 100 200 100 200 400 -50", 6),
        ("POINTS 3 # 100 200 100 200 400 -50", "POINTS 3 # 100 200 100 200 400", 6),
        ("POINTS 3 # 100", "POINTS 3 # 1e2", 6),
        ("POINTS 3 # 100", "POINTS 3 # nan", 6),
        ("POINTS 3 # 100", "POINTS 3 # \u0661", 6),
        ("POINTS 3 # 100", "POINTS 3 # 10000000", 6),
        ("POINTS 1 # 250 20", "POINTS 0 #", 7),
        ("  POINTS 2 # 0 0 152 304\n", "", "last"),
    ],
)
def test_malformed_version_2_is_refused_with_its_line(there: str, instead: str, line: int | str) -> None:
    assert there in VERSION_2
    with pytest.raises(MalformedInput, match=rf"pen\.txt, (line {line}:|{line} line:)"):
        read_version_2(VERSION_2.replace(there, instead).encode(), "pen.txt")


@pytest.mark.parametrize(
    ("there", "instead", "line"),
    [
        ('0 ? "a"', '0 ? "ab"', 5),
        ('0 ? "a"', '0-1 ? "a"', 14),
        ('1-2 ? "i"', '2-1 ? "i"', 14),
        ('1-2 ? "i"', '1 ? "i"', 19),
        ('1-2 ? "i"', '1-999999 ? "i"', "last"),
        ("\n 557  844", "\n 557", 9),
        (" 1 2\n", "", 16),
        (" 3 4\n.PEN_UP\n.DT 100\n", " 3 4\n", "last"),
    ],
)
def test_malformed_version_1_is_refused_with_its_line(there: str, instead: str, line: int | str) -> None:
    assert there in VERSION_1
    with pytest.raises(MalformedInput, match=rf"w01, (line {line}:|{line} line:)"):
        read_version_1(VERSION_1.replace(there, instead).encode(), "w01")


@pytest.mark.parametrize("read", [read_version_1, read_version_2])
def test_another_encoding_is_refused_with_its_line(read: object) -> None:
    assert callable(read)
    with pytest.raises(MalformedInput, match="line 4: not UTF-8"):
        read(VERSION_2.encode("cp1252"), "pen.txt")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(noise: bytes) -> None:
    for read, text in ((read_version_1, VERSION_1), (read_version_2, VERSION_2)):
        for data in (noise, text.encode() + noise):
            try:
                read(data, "x")
            except MalformedInput as error:
                assert "line" in error.detail


# The drawing


def _bounds(image: np.ndarray) -> tuple[int, int, int, int]:
    """First and last row, first and last column with ink."""
    rows, columns = np.flatnonzero(image.any(axis=(1, 2))), np.flatnonzero(image.any(axis=(0, 2)))
    return rows[0], rows[-1], columns[0], columns[-1]


def test_an_l_stands_upright_and_is_not_mirrored() -> None:
    image = draw([np.array([[0.0, 0], [0, 8], [4, 8]])])  # down, then to the right
    assert image.shape == (70, 70, 1)
    assert image.dtype == np.uint8
    top, bottom, left, right = _bounds(image)
    assert (image[top + 2 : bottom - 2, left + 1] == 255).all()  # the stem on the left
    assert (image[bottom - 1, left + 2 : right - 2] == 255).all()  # the foot below
    assert not image[top : bottom - 4, left + 4 :].any()


def test_ink_is_white_on_black_with_grey_edges() -> None:
    image = draw([np.array([[0.0, 0], [4, 3]])])
    assert image[0].max() == 0
    assert image.max() == 255
    assert len(np.unique(image)) > 10


def test_a_character_is_centred() -> None:
    stroke = np.array([[3.0, 1], [9, 4], [5, 8]])
    image = draw([stroke])
    top, bottom, left, right = _bounds(image)
    assert abs((top + bottom) / 2 - 34.5) <= 0.5
    assert abs((left + right) / 2 - 34.5) <= 0.5
    assert np.array_equal(image, draw([stroke + np.array([1000, -500])]))


def test_a_line_is_as_long_and_wide_as_asked() -> None:
    ink = draw([np.array([[0.0, 0], [6, 0]])], Pen(scale=5, width=4)) / 255
    assert ink[:, 35].sum() == pytest.approx(4, abs=0.3)
    assert ink[35].sum() == pytest.approx(6 * 5 + 4, abs=0.6)  # round caps reach half a width beyond each end


def test_a_single_point_is_a_round_dot() -> None:
    image = draw([np.array([[7.0, 7.0]])], Pen(width=6))
    assert image.sum() / 255 == pytest.approx(np.pi * 3**2, rel=0.05)
    assert np.array_equal(image, image.transpose(1, 0, 2))
    assert np.array_equal(image, image[::-1])
    assert np.array_equal(image, draw([np.array([[7.0, 7.0]] * 5)], Pen(width=6)))  # a pen that rested


def test_sizes_are_kept_and_only_what_would_not_fit_is_shrunk() -> None:
    def height(millimetres: float) -> int:
        top, bottom, _, _ = _bounds(draw([np.array([[0.0, 0], [0, millimetres]])]))
        return bottom - top + 1

    assert height(6) == pytest.approx(2 * height(3), abs=4)
    assert height(20) == height(200) <= 66  # two pixels of margin on either side
    assert height(12) < height(20)


@given(
    st.lists(st.lists(st.tuples(st.integers(-999999, 999999), st.integers(-999999, 999999)), min_size=1), min_size=1),
    st.integers(16, 80),
    st.integers(0, 4),
)
def test_ink_never_reaches_the_margin(points: list[list[tuple[int, int]]], side: int, margin: int) -> None:
    image = draw([np.array(stroke) / 100 for stroke in points], Pen(side=side, margin=margin))
    top, bottom, left, right = _bounds(image)
    assert min(top, left) >= margin
    assert max(bottom, right) < side - margin


def test_what_cannot_be_drawn_is_refused() -> None:
    for strokes in ([], [np.empty((0, 2))], [np.zeros((3, 3))], [np.array([[np.nan, 0]])], [np.array([[np.inf, 0]])]):
        with pytest.raises(InvalidInput):
            draw(strokes)
    nan = float("nan")
    for options in ({"side": 7}, {"side": 10**6}, {"width": 0.0}, {"width": nan}, {"margin": 34.0}, {"scale": nan}):
        with pytest.raises(InvalidInput, match="give"):
            Pen(**options)  # type: ignore[arg-type]


# The data sets


def test_descriptions_need_no_file() -> None:
    whole, first, digits = (ujipen.DESCRIPTIONS[name] for name in ("ujipen", "ujipen-v1", "ujipen-digits"))
    assert (whole.images, len(whole.classes), whole.parts) == (
        11_640,
        97,
        {"train": 5_820, "validation": 582, "test": 5_238},
    )
    assert (first.images, len(first.classes), first.parts) == (1_364, 62, {"train": 682, "validation": 62, "test": 620})
    assert (digits.images, digits.classes, digits.parts) == (
        1_200,
        list("0123456789"),
        {"train": 600, "validation": 60, "test": 540},
    )
    assert len(set(whole.classes)) == 97


def test_version_2_is_loaded_whole(folder: Path, settings: Settings) -> None:
    description = ujipen.DESCRIPTIONS["ujipen"]
    text = _version_2("".join(description.classes[::-1]), {".": 100})
    (folder / "ujipenchars2.txt").write_text(text, encoding="utf-8")
    data = datasets.load("ujipen", ArtefactStore(settings.resolved_store_url), settings.dataset_folders)
    assert data.images.shape == (11_640, 70, 70, 1)
    assert data.labels is not None
    assert list(data.classes) == description.classes
    assert data.classes[data.labels[0]] == description.classes[-1]  # in the file's order
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    assert {name: len(part) for name, part in parts.items()} == description.parts
    assert all(len(set(np.bincount(data.labels[part]))) == 1 for part in parts.values())
    uji, upv = data.images[data.labels == 50][[0, -1]]
    assert np.abs(uji.astype(int) - upv).mean() < 1  # the same drawing, in other units
    dots = data.labels == data.classes.index(".")
    assert data.images[dots].mean() < data.images[~dots].mean() / 2  # smaller, as it was written


def test_digits_come_from_their_own_file_or_out_of_the_whole(folder: Path, settings: Settings) -> None:
    characters = "".join(ujipen.DESCRIPTIONS["ujipen"].classes)
    (folder / "ujipenchars2.txt").write_text(_version_2(characters), encoding="utf-8")
    out_of_the_whole = ujipen.load("ujipen-digits", settings.dataset_folders)
    assert out_of_the_whole.images.shape == (1_200, 70, 70, 1)
    (folder / "ujipenchars2.txt").unlink()
    (folder / "ujipenchars2-digits.txt").write_text(_version_2("0123456789"), encoding="utf-8")
    assert ujipen.load("ujipen-digits", settings.dataset_folders).checksum == out_of_the_whole.checksum


def test_version_2_is_downloaded_once(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("uji2.names", "about")
        members.writestr("ujipenchars2.txt", _version_2("".join(ujipen.DESCRIPTIONS["ujipen"].classes)))
    url = tmp_path / "ujipen.zip"
    url.write_bytes(archive.getvalue())
    monkeypatch.setattr(ujipen, "URL", url.as_uri())
    with pytest.raises(Unavailable, match="LATENTAUG_DATA_DIR"):  # not the archive whose SHA-256 is known
        ujipen.load("ujipen-digits", settings.dataset_folders)
    assert not (settings.home / "downloads").exists()
    monkeypatch.setattr(ujipen, "SHA256", hashlib.sha256(archive.getvalue()).hexdigest())
    first = ujipen.load("ujipen-digits", settings.dataset_folders)
    url.unlink()
    assert ujipen.load("ujipen-digits", settings.dataset_folders).checksum == first.checksum


@pytest.mark.usefixtures("no_download")
@pytest.mark.parametrize("name", list(ujipen.DESCRIPTIONS))
def test_what_is_nowhere_is_unavailable_with_advice(name: str, settings: Settings) -> None:
    with pytest.raises(Unavailable, match="LATENTAUG_DATA_DIR"):
        ujipen.load(name, settings.dataset_folders)


def test_files_that_hold_other_characters_are_refused(folder: Path, settings: Settings) -> None:
    file = folder / "ujipenchars2-digits.txt"
    for characters, wrong in (("012345678", "9"), ("012345678ß", "9 ß"), ("0123456789a", "a"), ("00123456789", "0")):
        file.write_text(_version_2(characters), encoding="utf-8")
        with pytest.raises(MalformedInput, match=f"characters {wrong};"):
            ujipen.load("ujipen-digits", settings.dataset_folders)
    with file.open("wb") as sparse:
        sparse.truncate(2**40)
    with pytest.raises(TooLarge, match="ujipenchars2-digits"):
        ujipen.load("ujipen-digits", settings.dataset_folders)


@pytest.mark.parametrize(
    ("name", "needed"), [("ujipen-v1", "v1/UJIpenchars-w11"), ("ujipen-digits", "ujipenchars2-digits.txt")]
)
def test_the_real_files_are_what_their_description_says(name: str, needed: str) -> None:
    settings = load()
    if settings.data_dir is None or not (settings.data_dir / "ujipen" / needed).is_file():
        pytest.skip(f"set LATENTAUG_DATA_DIR to a folder with ujipen/{needed} to run this")
    data = ujipen.load(name, settings.dataset_folders)
    assert data.labels is not None
    assert np.bincount(data.labels).tolist() == ujipen.DESCRIPTIONS[name].class_counts
    assert not data.images[:, [0, 1, -2, -1]].any()
    assert not data.images[:, :, [0, 1, -2, -1]].any()
    ink = (data.images > 127).mean(axis=(1, 2, 3))
    assert ink.min() > 0.005  # nothing is lost
    assert ink.max() < 0.2  # nothing is smeared
