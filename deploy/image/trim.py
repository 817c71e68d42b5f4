"""Takes out of an environment what no process of the service loads: `python trim.py /opt/latentaug`.

The Dockerfile's build ends with it. `python -m bench.image` measures what is loaded, and `make test-image` runs
everything with what is left. Licences stay. So do, as they are, packages whose licence allows no altered copies, and
those that only a GPU loads.
"""

from __future__ import annotations

import json
import struct
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from importlib.metadata import Distribution, distributions
from pathlib import Path

AS_THEY_ARE = ("cuda-", "daal", "nvidia-", "tbb", "tcmlib", "triton")
"""How the names of packages begin that stay as they are."""
UNUSED: Mapping[str, Sequence[str]] = {
    "tests, samples and programs for makers of packages": (
        "*/tests/*",
        "*/benchmarks/*",
        "matplotlib/mpl-data/sample_data/*",
        "torch/bin/*[Tt]est*",
        "torch/bin/protoc*",
        "torch/lib/*test*",
        "torch/test/*",
    ),
    "what only compilers and editors read": (
        "*/include/*",
        *(f"*.{ending}" for ending in ("a", "c", "cmake", "cpp", "h", "hpp", "pc", "pxd", "pxi", "pyi", "pyx")),
    ),
    "OpenVINO for other devices, and for files of other makers": (
        "openvino/libs/cache.json",
        *(f"openvino/libs/*_intel_{device}_*" for device in ("gpu", "npu")),
        *(
            f"openvino/*/*{maker}_frontend*.so*"
            for maker in ("gguf", "jax", "onnx", "paddle", "pytorch", "tensorflow*")
        ),
    ),
    "Arrow over the network, and copies of its libraries under other names": (
        "pyarrow/*flight*",
        "pyarrow/libarrow_python.so",
        "pyarrow/libarrow_python.so.*.*",
    ),
}
"""Files that are taken out, as patterns of their paths, by what they are. `*` stands for any number of folders, too."""
SYMBOLS = "names and places that only debuggers read, at the end of libraries"
REPORT = "left-out.json"
"""The file, in the environment, that tells what was taken out: bytes by reason and package."""
_ELF64 = b"\x7fELF\x02\x01"
_SHARED = 3
"""The kind of a file that is a shared library."""


def trim(environment: Path) -> dict[str, dict[str, int]]:
    """Take everything that is unused out of an environment; return bytes by reason and package."""
    left_out: dict[str, Counter[str]] = defaultdict(Counter)
    for package in distributions(path=[str(path) for path in environment.glob("lib/python3*/site-packages")]):
        if not package.name.startswith(AS_THEY_ARE):
            for reason, size in _trimmed(package):
                left_out[reason][package.name] += size
    return {reason: dict(sizes.most_common()) for reason, sizes in left_out.items()}


def unused(path: str) -> str | None:
    """Why a file of a package, by its path from where packages are, is taken out; None if it stays."""
    if ".dist-info/" in path or path.rpartition("/")[2].lower().startswith(("licen", "copying", "notice")):
        return None
    return next((why for why, patterns in UNUSED.items() if any(fnmatchcase(path, each) for each in patterns)), None)


def cut(library: Path) -> int:
    """Cut off what follows the last segment of a shared library; return how many bytes that were.

    The loader looks at nothing but segments. What follows them, such as symbols, is for tools alone.
    """
    with library.open("r+b") as file:
        head = file.read(64)
        if not head.startswith(_ELF64) or head[16] != _SHARED:
            return 0
        place, each, number = (*struct.unpack_from("<Q", head, 32), *struct.unpack_from("<HH", head, 54))
        file.seek(place)
        segments = [struct.unpack_from("<8xQ16xQ", file.read(each)) for _ in range(number)]
        end = max(offset + length for offset, length in [*segments, (place, each * number)])
        behind: int = file.seek(0, 2) - end
        if behind > 0:
            file.seek(40)
            file.write(bytes(8))  # where the table of sections is
            file.seek(60)
            file.write(bytes(4))  # how many it has, and which has their names
            file.truncate(end)
        return max(behind, 0)


def _trimmed(package: Distribution) -> Iterator[tuple[str, int]]:
    """Trim a package; yield reasons and bytes."""
    for file in package.files or ():
        path = Path(str(package.locate_file(file)))
        if path.is_symlink() or not path.is_file():
            continue
        if (reason := unused(str(file))) is not None:
            yield reason, path.stat().st_size
            path.unlink()
        elif ".so" in path.suffixes:
            yield SYMBOLS, cut(path)


def main(environment: Path) -> None:
    """Trim, and say so."""
    left_out = trim(environment)
    (environment / REPORT).write_text(json.dumps(left_out, indent=1) + "\n")
    for reason, sizes in left_out.items():
        print(f"{sum(sizes.values()) / 1e6:6.1f} MB: {reason}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
