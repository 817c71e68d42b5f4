"""How large the image is, and what of it is loaded: `python -m bench.image` writes docs/results/image.md and .json.

It builds the image, has the service in it do one of everything, and looks which files the system says were read.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench import results
from bench.image import build, sizes, use
from bench.image.buildah import Image
from bench.image.container import Container, Described
from service.stack import health, ports

HOST = "127.0.0.1"
READY_SECONDS = 180.0
LARGEST = 25
"""Packages that the page names; it sums up all others."""
MOST_UNCOMPILED = 20
"""Modules that the page names."""


@dataclass(frozen=True)
class Measured:
    """What was measured, in bytes by package.

    Attributes:
        seconds: that the build took, without its base image.
        left_out: what the build took out, by reason.
        kept: what is in the image.
        read: how much of that processes have read.
        uncompiled: modules that were read and had to be compiled.
    """

    seconds: float
    left_out: Mapping[str, Mapping[str, int]]
    kept: Mapping[str, int]
    read: Mapping[str, int]
    uncompiled: Sequence[str]

    def installed(self) -> Counter[str]:
        """What was there before anything was taken out."""
        return sum((Counter(sizes) for sizes in self.left_out.values()), Counter(self.kept))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write docs/results/image.*."""
    parser = argparse.ArgumentParser(prog="python -m bench.image", description="Measure how large the image is.")
    parser.add_argument("--folder", type=Path, default=build.FOLDER, help="where it is built; takes up to 8 GB")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="the folder for the page")
    asked = parser.parse_args(arguments)
    environment = results.environment()
    with build.built(asked.folder) as (image, seconds):
        measured = measure(image, asked.folder, seconds)
    command = " ".join(["python -m bench.image", *(sys.argv[1:] if arguments is None else arguments)])
    results.write(asked.results, "image", command, environment, vars(measured), list(page(measured)))


def measure(image: Image, folder: Path, seconds: float) -> Measured:
    """Have everything done in the image, and look which of its files were read."""
    sizes.forget(image.root)
    _use(image, folder)
    found = sizes.files(image.root)
    kept, read = Counter[str](), Counter[str]()
    for file in found:
        kept[file.package] += file.size
        read[file.package] += file.size * file.read
    if not read.total():
        raise SystemExit(f"The disk of {folder} does not note when files are read; choose another with --folder.")
    left_out = json.loads((image.root / sizes.ENVIRONMENT / "left-out.json").read_text())
    return Measured(seconds, left_out, kept, read, sizes.uncompiled(image.root, found))


def page(measured: Measured) -> Iterator[str]:
    """The lines of the page."""
    installed = measured.installed()
    yield "# The image"
    yield ""
    yield (
        f"- **Size**: {_gigabytes(measured.kept)} unpacked, and {_gigabytes(installed)} before what nothing loads was "
        f"taken out. {_gigabytes(measured.read)} were read while the service did one of everything."
    )
    yield f"- **Time of the build**: {measured.seconds:.0f} s, without the base image."
    yield ""
    yield (
        "The base image is made of Debian's packages here; the one that the Dockerfile names is of another size. "
        "Compiled modules count only where they are in the image: pip would compile all, the build compiles those that "
        "are loaded."
    )
    yield ""
    yield "| taken out by `deploy/image/trim.py` | MB |"
    yield "|---|---|"
    for reason, by_package in measured.left_out.items():
        yield f"| {reason} | {_megabytes(sum(by_package.values()))} |"
    yield ""
    yield "| package | installed, MB | in the image, MB | read, MB |"
    yield "|---|---|---|---|"
    named = [name for name, _ in installed.most_common(LARGEST)]
    others = [name for name in installed if name not in named]
    for title, names in [*((name, [name]) for name in named), (f"{len(others)} others", others)]:
        sums = [sum(sizes.get(name, 0) for name in names) for sizes in (installed, measured.kept, measured.read)]
        yield f"| {title} | {' | '.join(map(_megabytes, sums))} |"
    yield ""
    yield _told(measured.uncompiled)


def _told(modules: Sequence[str]) -> str:
    """A sentence on the modules that were not compiled beforehand."""
    if not modules:
        return "Every module that was loaded had been compiled by the build."
    some = ", ".join(f"`{module}`" for module in modules[:MOST_UNCOMPILED])
    return f"{len(modules)} modules were loaded that `deploy/image/compile.py` had not compiled; the first are {some}."


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"


def _gigabytes(by_package: Mapping[str, int]) -> str:
    return f"{sum(by_package.values()) / 1e9:.2f} GB"


def _use(image: Image, folder: Path) -> None:
    """Run what the image runs by default, and have it do one of everything."""
    port, home = ports.free(HOST), build.home(image, folder / "home")
    described = Described(f"{image.user}:{image.user}", {"/data": home}, {"/tmp": "mode=1777"}, read_only=False)  # noqa: S108
    environment = {"LATENTAUG_PORT": str(port), "LATENTAUG_LOG_LEVEL": "warning"}
    base = health.url(HOST, port)
    with (
        Container(image, described, image.command, environment, folder / "service.log") as service,
        httpx.Client(base_url=base, timeout=60) as client,
    ):
        deadline = time.monotonic() + READY_SECONDS
        while not health.ready(base):
            if service.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the service is not ready: {(folder / 'service.log').read_text()[-2000:]}")
            time.sleep(0.2)
        use.everything(client)


if __name__ == "__main__":
    main()
