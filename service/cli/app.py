"""The commands of `latentaug`."""

from __future__ import annotations

import io
import os
import signal
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from latentaug_client import Client, LatentaugError, NotFound
from latentaug_client.retries import Retries
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from latentaug.errors import LatentaugError as ServiceError
from latentaug.options import (
    AskedDecode,
    AugmentOptions,
    EvaluateParams,
    LabelParams,
    LabelSpace,
    Method,
    RecommendParams,
    TrainParams,
)
from service.cli import doctor as examination
from service.cli import names
from service.cli.errors import naming, words
from service.cli.folders import Manifest, check_apart, check_neighbours, new_folder, read, unpack
from service.cli.options import given, option
from service.cli.progress import bar, console, show
from service.cli.quality import in_words, measured
from service.cli.session import Target, session
from service.stack import run as stack

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Makes new training images from the few labelled ones you have, and measures whether they help.",
)
out = Console()


Source = Annotated[
    str,
    typer.Argument(
        help="Folder of class folders, and perhaps one named unlabelled; a .zip or .npz file; or a data set's name."
    ),
]
Unlabelled = Annotated[
    Path | None,
    typer.Option(
        exists=True, file_okay=False, help="Folder of images without labels, to use beside the labelled ones."
    ),
]
Size = Annotated[str | None, typer.Option(help="Height and width in pixels to resize every image to, such as 28x28.")]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Go on without images that cannot be read, and name them.")]


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


@app.command()
def train(
    context: typer.Context,
    source: Source,
    name: Annotated[
        str | None, typer.Option(help="Name of the new model; by default it is named after the data set.")
    ] = None,
    latent_dim: Annotated[int | None, option(TrainParams, "latent_dim")] = None,
    epochs: Annotated[int | None, option(TrainParams, "epochs")] = None,
    beta: Annotated[float | None, option(TrainParams, "beta")] = None,
    architecture: Annotated[str | None, option(TrainParams, "architecture")] = None,
    max_seconds: Annotated[float | None, option(TrainParams, "max_seconds")] = None,
    unlabelled: Unlabelled = None,
    size: Size = None,
    skip_bad: SkipBad = False,
    seed: Annotated[int | None, option(TrainParams, "seed")] = None,
) -> None:
    """Train a VAE on images. Labels are not needed."""
    with _session(context) as client:
        dataset = names.dataset(client, source, names.pair(size), console, unlabelled, skip_bad=skip_bad)
        name = name or names.model_name(dataset)
        how = given(latent_dim=latent_dim, epochs=epochs, beta=beta, architecture=architecture, max_seconds=max_seconds)
        job = client.train(dataset, name=name, **how, **given(seed=seed))
        show(job)
        out.print(f"model {name} (job {job.id})")
        out.print(client.model(name)["advice"], highlight=False, markup=False)


@app.command()
def augment(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Folder of images, or of a folder per class.")
    ],
    to: Annotated[Path, typer.Option("--out", help="New folder for the images.")],
    model: Annotated[str | None, typer.Option(help="Model to use; by default one is trained on the folder.")] = None,
    method: Annotated[Method | None, option(AugmentOptions, "method")] = None,
    alpha: Annotated[float | None, option(AugmentOptions, "alpha")] = None,
    k: Annotated[int | None, option(AugmentOptions, "k")] = None,
    decode: Annotated[AskedDecode | None, option(AugmentOptions, "decode")] = None,
    unlabelled: Unlabelled = None,
    size: Size = None,
    skip_bad: SkipBad = False,
    resize: Annotated[bool, typer.Option(help="Resize the images to the size that the model takes.")] = False,
    seed: Annotated[int | None, option(AugmentOptions, "seed")] = None,
) -> None:
    """Make new images from a folder of images, with a manifest.csv that says how each was made."""
    with _errors(context):
        for images in filter(None, (folder, unlabelled)):
            check_apart(images, to)
    with _session(context) as client, new_folder(to) as partial:
        resize = resize or (model is None and size is not None)
        options = AugmentOptions(**given(method=method, alpha=alpha, k=k, decode=decode, seed=seed, resize=resize))
        reading = read(folder, unlabelled, skip_bad=skip_bad)
        if options.method != "noise":
            check_neighbours(reading.batches, options.k)
        if model is None:
            dataset = names.dataset(client, str(folder), names.pair(size), console, unlabelled, skip_bad=skip_bad)
            model = _own_model(client, dataset)
        else:
            _warn(reading.warnings)
        noted = options.model_dump(include={"method", "alpha", "k", "seed", "resize"})
        described = names.description(client, model)
        _advise(described)
        scale = given(bits=reading.bits)
        written = Manifest(partial, {**noted, "model": model, "version": described["version"]})
        with bar() as shown:
            task = shown.add_task("augment", total=reading.images)
            for part in reading.batches:
                with naming(part.files):
                    made = client.augment(part.files, model=model, decode=options.decode, **noted, **scale)
                for image, source, neighbour in zip(made.images, made.source, made.neighbour, strict=True):
                    beside = part.files[neighbour] if neighbour >= 0 else None
                    written.add(image, part, part.files[source], beside, made.decode)
                shown.advance(task, len(part.files))
        written.close()
        count, quality = len(written), measured(client, model, written)
    out.print(f"{count} new images in {to}, made from {reading}", highlight=False, markup=False)
    out.print(quality, highlight=False, markup=False)


@app.command()
def label(
    context: typer.Context,
    source: Source,
    to: Annotated[Path, typer.Option("--out", help="New folder for the newly labelled images.")],
    model: Annotated[str | None, typer.Option(help="Model to use; by default one is trained.")] = None,
    space: Annotated[LabelSpace | None, option(LabelParams, "space")] = None,
    keep: Annotated[float | None, option(LabelParams, "keep")] = None,
    per_class: Annotated[bool | None, option(LabelParams, "per_class", "--per-class")] = None,
    unlabelled: Unlabelled = None,
    size: Size = None,
    skip_bad: SkipBad = False,
    seed: Annotated[int | None, option(LabelParams, "seed")] = None,
) -> None:
    """Label unlabelled images by the labelled ones, and say how many of the new labels are likely right."""
    with _errors(context):
        for images in filter(None, (Path(source), unlabelled)):
            check_apart(images, to)
    with _session(context) as client, new_folder(to) as partial:
        dataset = names.dataset(client, source, names.pair(size), console, unlabelled, skip_bad=skip_bad)
        if model is not None:
            names.description(client, model)
        options = given(space=space, keep=keep, per_class=per_class, seed=seed)
        job = client.label_dataset(dataset, model or _own_model(client, dataset), **options)
        show(job)
        unpack(job.result("zip"), partial)
        made = job.record["result"]
    likely = made["expected_accuracy"]
    out.print(
        f"{made['kept']} of {made['unlabelled']} unlabelled images, with labels from {made['labelled']} labelled ones, "
        f"in {to}. Of all new labels, {likely['mean']:.0%} are likely right "
        f"(between {likely['low']:.0%} and {likely['high']:.0%})."
    )


@app.command()
def evaluate(
    context: typer.Context,
    source: Source,
    to: Annotated[Path | None, typer.Option("--out", help="New folder for the files of the report.")] = None,
    model: Annotated[str | None, typer.Option(help="Model to use; by default one is trained.")] = None,
    labelled: Annotated[int | None, option(EvaluateParams, "labelled")] = None,
    draws: Annotated[int | None, option(EvaluateParams, "draws")] = None,
    classifiers: Annotated[list[str] | None, option(EvaluateParams, "classifiers", "--classifier")] = None,
    spaces: Annotated[list[str] | None, option(EvaluateParams, "spaces", "--space")] = None,
    unlabelled: Unlabelled = None,
    size: Size = None,
    skip_bad: SkipBad = False,
    seed: Annotated[int | None, option(EvaluateParams, "seed")] = None,
) -> None:
    """Measure whether new images help classifiers, compared with no new images and with affine copies."""
    with _session(context) as client:
        dataset = names.dataset(client, source, names.pair(size), console, unlabelled, skip_bad=skip_bad)
        if model is not None:
            names.description(client, model)
        asked = given(model=model, labelled=labelled, draws=draws, classifiers=classifiers, spaces=spaces, seed=seed)
        job = client.evaluate(dataset, **asked)
        show(job)
        if to is not None:
            with new_folder(to) as partial:
                for form, suffix in (("json", "json"), ("csv", "csv"), ("markdown", "md"), ("png", "png")):
                    (partial / f"report.{suffix}").write_bytes(job.result(form))
        out.print(Markdown(job.result("markdown").decode()))


@app.command()
def recommend(
    context: typer.Context,
    source: Source,
    to: Annotated[Path, typer.Option("--out", help="New folder for the training set, with a folder for each class.")],
    model: Annotated[str | None, typer.Option(help="Model to use; by default one is trained on the images.")] = None,
    budget: Annotated[float | None, option(RecommendParams, "budget_seconds", "--budget")] = None,
    labelled: Annotated[int | None, option(RecommendParams, "labelled")] = None,
    classifiers: Annotated[list[str] | None, option(RecommendParams, "classifiers", "--classifier")] = None,
    unlabelled: Unlabelled = None,
    size: Size = None,
    skip_bad: SkipBad = False,
    seed: Annotated[int | None, option(RecommendParams, "seed")] = None,
) -> None:
    """Find the training set that serves classifiers best, measure it, and write it.

    Put images without a label in a folder `unlabelled` beside the class folders: they help the most.
    """
    with _errors(context):
        check_apart(Path(source), to)
    with _session(context) as client, new_folder(to) as partial:
        dataset = names.dataset(client, source, names.pair(size), console, unlabelled, skip_bad=skip_bad)
        model = _own_model(client, dataset) if model is None else str(names.description(client, model)["name"])
        asked = given(budget_seconds=budget, labelled=labelled, classifiers=classifiers, seed=seed)
        job = client.recommend(dataset, model=model, **asked)
        show(job)
        made = client.augment_dataset(dataset, recipe=job.id)
        show(made)
        with zipfile.ZipFile(io.BytesIO(made.result("zip"))) as archive:
            archive.extractall(partial)
        for verdict in job.record["result"]["verdict"].values():
            out.print(verdict.partition(" In numbers:")[0], highlight=False, markup=False)
        result = made.record["result"]
        if result.get("quality"):
            out.print(in_words(result["quality"]), highlight=False, markup=False)
    of = job.record["result"]["described"]
    out.print(f"{result['images']} images in {to} (job {job.id}): {of}", highlight=False, markup=False)


@app.command()
def jobs(
    context: typer.Context,
    job_id: Annotated[str | None, typer.Argument(metavar="[JOB]", help="Id of a job to follow until it ends.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="List only train, evaluate, augment, label or recommend jobs.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="List only queued, running, succeeded, failed or cancelled jobs.")
    ] = None,
    cancel: Annotated[str | None, typer.Option(help="Id of a job to stop.")] = None,
) -> None:
    """List the newest jobs, follow one, or stop one."""
    with _session(context) as client:
        if job_id is not None:
            show(names.job(client, job_id))
            return
        if cancel is not None:
            names.job(client, cancel).cancel()
        table = Table("id", "kind", "status", "done", "stage", "created")
        for job in client.jobs(kind, status):  # type: ignore[arg-type]  # the service says which there are
            progress = job.record["progress"]
            done = f"{progress['fraction']:.0%}"
            table.add_row(job.id, job.record["kind"], job.status, done, progress["stage"], job.record["created_at"])
    out.print(table)


@app.command()
def doctor(context: typer.Context) -> None:
    """Check that the service has what it needs, and say how to fix what is missing.

    With --url it asks that service; otherwise it checks this machine and its settings.

    The exit status is 1 if something keeps the service from working.
    """
    marks = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]"}
    table = Table("", "", "")
    target: Target = context.obj
    if target.url is None:
        findings = examination.examine()
    else:
        with Client(target.url, target.key, timeout=10, retries=Retries(attempts=1)) as client:
            findings = examination.examine_service(client)
    for finding in findings:
        fix = f"\nfix: {finding.fix}" if finding.fix else ""
        table.add_row(finding.what, marks[finding.state], escape(finding.found + fix))
    out.print(table)
    raise typer.Exit(1 if any(finding.state == "error" for finding in findings) else 0)


def main() -> None:
    """The entry point."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    app()


def _end(number: int, frame: FrameType | None) -> None:
    """End as Ctrl+C does, with everything cleaned up."""
    raise SystemExit(128 + number)


def _own_model(client: Client, dataset: str) -> str:
    """The model of this very data set, trained first if the service has none."""
    name = names.model_name(dataset)
    try:
        client.model(name)
    except NotFound:
        show(client.train(dataset, name=name))
    return name


def _warn(warnings: Sequence[str]) -> None:
    """Print what is to be known before anything is made."""
    for warning in warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)


def _advise(model: Mapping[str, Any]) -> None:
    """Say what a model's pictures are good for, if that is known."""
    if model["advice"]:
        console.print(model["advice"], highlight=False, markup=False)


@contextmanager
def _session(context: typer.Context) -> Iterator[Client]:
    """A client of the service; an error ends the command."""
    with _errors(context), session(context.obj, console) as client:
        yield client


@contextmanager
def _errors(context: typer.Context) -> Iterator[None]:
    """An error ends the command with a sentence about it and exit status 1."""
    options = {parameter.name: parameter.opts[0] for parameter in context.command.params if parameter.name}
    try:
        yield
    except (LatentaugError, ServiceError, ValueError, OSError) as error:
        console.print(f"[red]error:[/] {escape(words(error, options))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


if __name__ == "__main__":
    main()
