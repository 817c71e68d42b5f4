"""What all commands share: arguments, the service that they talk to, and what they say when something goes wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from latentaug_client import Client, LatentaugError
from rich.console import Console
from rich.markup import escape

from latentaug.errors import LatentaugError as ServiceError
from latentaug.options import ImageOptions, Layout, LayoutOptions, TrainParams
from service.cli.errors import words
from service.cli.options import checked, option
from service.cli.progress import console
from service.cli.reading import pair
from service.cli.session import session

out = Console()
"""Standard output, for results; what goes on is said on standard error."""

Source = Annotated[
    str,
    typer.Argument(
        help="Folder of class folders, and perhaps one named unlabelled; a .zip or .npz file; or a data set's name."
    ),
]
NewFolder = Annotated[Path, typer.Option("--out", help="New folder for the images.")]
Model = Annotated[
    str | None, typer.Option(help="Model to use; by default one is trained on the images, and kept for the next time.")
]
Epochs = Annotated[int | None, option(TrainParams, "epochs", before="If a model is trained: ")]
Beta = Annotated[float | None, option(TrainParams, "beta", before="If a model is trained: ")]
Unlabelled = Annotated[
    Path | None,
    typer.Option(
        exists=True, file_okay=False, help="Folder of images without labels, to use beside the labelled ones."
    ),
]
Bits = Annotated[int | None, option(ImageOptions, "bits")]
Size = Annotated[
    str | None,
    typer.Option(help="Height and width in pixels to resize every image to, such as 28x28.", callback=checked(pair)),
]
LaidOut = Annotated[Layout, option(LayoutOptions, "layout")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Go on without images that cannot be read, and name them.")]


def say(sentence: str) -> None:
    """Write a sentence to standard output as it is."""
    out.print(sentence, highlight=False, markup=False, soft_wrap=True)


def advise(model: Mapping[str, Any]) -> None:
    """Say what a model's pictures are good for, if that is known."""
    if model["advice"]:
        console.print(model["advice"], highlight=False, markup=False)


@contextmanager
def client_of(context: typer.Context, *, computing: bool = True) -> Iterator[Client]:
    """A client of the service; an error ends the command. `computing` is that of `session`."""
    with told(context), session(context.obj, console, computing=computing) as client:
        yield client


OPENED = "latentaug.opened"
"""Where a command notes the folder that it reads, for errors to name its files as they were typed."""


@contextmanager
def told(context: typer.Context) -> Iterator[None]:
    """An error ends the command with a sentence about it and exit status 1."""
    options = {parameter.name: parameter.opts[0] for parameter in context.command.params if parameter.name}
    try:
        yield
    except (LatentaugError, ServiceError, ValueError, OSError) as error:
        said = words(error, options)
        if OPENED in context.meta:
            said = context.meta[OPENED].tell(said)
        console.print(f"[red]error:[/] {escape(said)}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
