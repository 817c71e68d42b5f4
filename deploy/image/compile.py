"""Has Python compile what the service loads, and keep it: `python compile.py`, in an environment that has it.

The image is read-only, so what is not compiled by now is compiled by every process that loads it, again and again. Most
modules of most packages are never loaded, and compiled all the same they take more room than all else but libraries.
"""

from __future__ import annotations

import importlib
import pkgutil

OURS = ("latentaug", "latentaug_client", "service", "worker")
LATER = (
    "anyio._backends._asyncio",
    "kornia.augmentation.auto",
    "mlflow",
    "torch._dynamo",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    *(f"PIL.{form}ImagePlugin" for form in ("Bmp", "Gif", "Jpeg", "Ppm")),
)
"""Modules that are imported only when something is used; `python -m bench.image` tells which are missing here."""
WANTED_ELSEWHERE = ("umap",)
"""Packages that the image does not have."""


def main() -> None:
    """Import every module of ours but those that are programs, and what is imported later."""
    for name in OURS:
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                _imported(module.name)
    for name in LATER:
        importlib.import_module(name)


def _imported(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name not in WANTED_ELSEWHERE:
            raise


if __name__ == "__main__":
    main()
