"""`latentaug`: the commands, and what they have in common."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Annotated

import typer

from service.cli import looking, making, measuring
from service.cli.session import Target
from service.stack import run as stack

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Makes new training images from the few labelled ones you have, and measures whether they help.",
)


@app.callback()
def common(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(envvar="LATENTAUG_URL", help="Service URL; a local service is started if you leave it out."),
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="LATENTAUG_KEY", help="API key, if the service asks for one.")
    ] = None,
) -> None:
    """Remember which service to talk to."""
    context.obj = Target(url, key)


@app.command()
def up(port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes any free one.")] = None) -> None:
    """Run the whole service on this machine until you press Ctrl+C."""
    if port is not None:
        os.environ["LATENTAUG_PORT"] = str(port)
    raise typer.Exit(stack.main())


for command in (
    making.train,
    making.augment,
    making.label,
    measuring.evaluate,
    making.recommend,
    looking.models,
    looking.datasets,
    looking.jobs,
    looking.delete,
    looking.doctor,
):
    app.command()(command)


def main() -> None:
    """Run the command that was typed."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    app()


def _end(number: int, frame: FrameType | None) -> None:
    """End as Ctrl+C does, with everything cleaned up."""
    raise SystemExit(128 + number)
