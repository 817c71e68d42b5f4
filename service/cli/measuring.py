"""The command that measures whether new images help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown

from latentaug.options import EvaluateParams
from service.cli import names
from service.cli.context import Beta, Bits, Epochs, Model, Size, SkipBad, Source, Unlabelled, client_of, out, told
from service.cli.destination import check_new, new_folder
from service.cli.options import given, option
from service.cli.progress import console, show
from service.cli.reading import path_of, read_as
from service.cli.results import write_report
from service.cli.training import check_there

UNREAD = "unread"
"""Stands for a data set where options are looked at together, before any image is read."""


def evaluate(
    context: typer.Context,
    source: Source,
    to: Annotated[Path | None, typer.Option("--out", help="New folder for the files of the report.")] = None,
    model: Model = None,
    labelled: Annotated[int | None, option(EvaluateParams, "labelled")] = None,
    draws: Annotated[int | None, option(EvaluateParams, "draws")] = None,
    classifiers: Annotated[list[str] | None, option(EvaluateParams, "classifiers", "--classifier")] = None,
    spaces: Annotated[list[str] | None, option(EvaluateParams, "spaces", "--space")] = None,
    methods: Annotated[list[str] | None, option(EvaluateParams, "methods", "--method")] = None,
    alpha: Annotated[float | None, option(EvaluateParams, "alpha")] = None,
    k: Annotated[int | None, option(EvaluateParams, "k")] = None,
    decode: Annotated[list[str] | None, option(EvaluateParams, "decode")] = None,
    epochs: Epochs = None,
    beta: Beta = None,
    unlabelled: Unlabelled = None,
    size: Size = None,
    skip_bad: SkipBad = False,
    bits: Bits = None,
    seed: Annotated[int | None, option(EvaluateParams, "seed")] = None,
) -> None:
    """Measure whether new images help classifiers, compared with no new images and with affine copies."""
    what = given(labelled=labelled, draws=draws, classifiers=classifiers, spaces=spaces, methods=methods, seed=seed)
    how = given(model=model, alpha=alpha, k=k, decode=decode, epochs=epochs, beta=beta)
    with told(context):
        EvaluateParams(dataset=UNREAD, **what, **how)
        if to is not None:
            check_new(to, path_of(source), unlabelled)
    with client_of(context) as client:
        check_there(client, model)
        dataset = names.dataset(client, source, console, read_as(unlabelled, size, skip_bad, bits))
        job = client.evaluate(dataset, **what, **how)
        show(job)
        out.print(Markdown(job.result("markdown").decode()))
        if to is not None:
            with new_folder(to) as partial:
                write_report(job, partial)
