"""The commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from latentaug_client import Client, LatentaugError, NotFound
from latentaug_client.retries import Retries
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from latentaug.errors import LatentaugError as ServiceError
from latentaug.options import AugmentOptions, Decode, EvaluateParams, Method, TrainParams
from service.cli import doctor as examination
from service.cli.folders import Manifest, batches, check_apart, dataset_name, new_folder
from service.cli.options import given, option
from service.cli.progress import bar, console, show
from service.cli.session import Target, session
from service.stack import run as stack

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="New training images from few labelled ones, and an honest verdict on whether they help.",
)
out = Console()


Source = Annotated[str, typer.Argument(help="A folder of class folders, a .zip or .npz, or the name of a data set.")]
Size = Annotated[str | None, typer.Option(help="Resize every image to this height x width, such as 28x28.")]


@app.callback()
def common(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Option(envvar="LATENTAUG_URL", help="Of the service; else one is started.")
    ] = None,
    key: Annotated[str | None, typer.Option(envvar="LATENTAUG_KEY", help="Where the service asks for one.")] = None,
) -> None:
    """Remember which service is meant."""
    context.obj = Target(url, key)


@app.command()
def up(port: Annotated[int | None, typer.Option(help="To listen on; 0 for any free one.")] = None) -> None:
    """Run the whole service here until Ctrl+C."""
    if port is not None:
        os.environ["LATENTAUG_PORT"] = str(port)
    raise typer.Exit(stack.main())


@app.command()
def train(
    context: typer.Context,
    source: Source,
    name: Annotated[str | None, typer.Option(help="Of the model; by default the data set's, and -vae.")] = None,
    latent_dim: Annotated[int | None, option(TrainParams, "latent_dim")] = None,
    epochs: Annotated[int | None, option(TrainParams, "epochs")] = None,
    beta: Annotated[float | None, option(TrainParams, "beta")] = None,
    size: Size = None,
    seed: Annotated[int | None, option(TrainParams, "seed")] = None,
) -> None:
    """Train a VAE on images, without their labels."""
    with _session(context) as client:
        dataset = _dataset(client, source, size)
        name = name or _model_name(dataset)
        job = client.train(dataset, name=name, **given(latent_dim=latent_dim, epochs=epochs, beta=beta, seed=seed))
        show(job)
        out.print(f"model {name} (job {job.id})")


@app.command()
def augment(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Of images, or of class folders.")],
    to: Annotated[Path, typer.Option("--out", help="Folder to make; it must not be there yet.")],
    model: Annotated[str | None, typer.Option(help="To use; by default one is trained on the folder.")] = None,
    method: Annotated[Method | None, option(AugmentOptions, "method")] = None,
    alpha: Annotated[float | None, option(AugmentOptions, "alpha")] = None,
    k: Annotated[int | None, option(AugmentOptions, "k")] = None,
    decode: Annotated[Decode | None, option(AugmentOptions, "decode")] = None,
    size: Size = None,
    resize: Annotated[bool, typer.Option(help="Resize images to the model's size.")] = False,
    seed: Annotated[int | None, option(AugmentOptions, "seed")] = None,
) -> None:
    """Make new images of a folder's: a folder in, a folder and its manifest.csv out."""
    with _complaining():
        check_apart(folder, to)
    with _session(context) as client, new_folder(to) as partial:
        if model is None:
            model, resize = _own_model(client, str(folder), size), resize or size is not None
        options = AugmentOptions(**given(method=method, alpha=alpha, k=k, decode=decode, seed=seed, resize=resize))
        asked = options.model_dump(include={"method", "alpha", "k", "decode", "seed", "resize"})
        version = client.model(model)["version"]
        written = Manifest(partial, {**asked, "model": model, "version": version})
        parts = batches(folder)
        with bar() as shown:
            task = shown.add_task("augment", total=sum(len(part.files) for part in parts))
            for part in parts:
                made = client.augment(part.files, model=model, **asked)
                for image, source, neighbour in zip(made.images, made.source, made.neighbour, strict=True):
                    beside = part.files[neighbour] if neighbour >= 0 else None
                    written.add(image, part.label, part.files[source], beside)
                shown.advance(task, len(part.files))
        written.close()
        count = len(written)
    out.print(f"{count} new images in {to}")


@app.command()
def evaluate(
    context: typer.Context,
    source: Source,
    to: Annotated[Path | None, typer.Option("--out", help="Folder to make for the report's files.")] = None,
    model: Annotated[str | None, typer.Option(help="To use; by default one is trained.")] = None,
    labelled: Annotated[int | None, option(EvaluateParams, "labelled")] = None,
    draws: Annotated[int | None, option(EvaluateParams, "draws")] = None,
    classifier: Annotated[list[str] | None, option(EvaluateParams, "classifiers")] = None,
    space: Annotated[list[str] | None, option(EvaluateParams, "spaces")] = None,
    size: Size = None,
    seed: Annotated[int | None, option(EvaluateParams, "seed")] = None,
) -> None:
    """Measure whether new images help SVM, kNN and MLP, against tuned baselines and affine copies."""
    with _session(context) as client:
        dataset = _dataset(client, source, size)
        asked = given(model=model, labelled=labelled, draws=draws, classifiers=classifier, spaces=space, seed=seed)
        job = client.evaluate(dataset, **asked)
        show(job)
        if to is not None:
            with new_folder(to) as partial:
                for form, suffix in (("json", "json"), ("csv", "csv"), ("markdown", "md"), ("png", "png")):
                    (partial / f"report.{suffix}").write_bytes(job.result(form))
        out.print(Markdown(job.result("markdown").decode()))


@app.command()
def jobs(
    context: typer.Context,
    job_id: Annotated[str | None, typer.Argument(metavar="[JOB]", help="Follow this job to its end instead.")] = None,
    kind: Annotated[str | None, typer.Option(help="train, evaluate or augment.")] = None,
    status: Annotated[str | None, typer.Option(help="queued, running, succeeded, failed or cancelled.")] = None,
    cancel: Annotated[str | None, typer.Option(help="Id of a job to stop.")] = None,
) -> None:
    """List the newest jobs, follow one, or stop one."""
    with _session(context) as client:
        if job_id is not None:
            show(client.job(job_id))
            return
        if cancel is not None:
            client.job(cancel).cancel()
        table = Table("id", "kind", "status", "done", "stage", "begun")
        for job in client.jobs(kind, status):  # type: ignore[arg-type]  # the service says which there are
            progress = job.record["progress"]
            done = f"{progress['fraction']:.0%}"
            table.add_row(job.id, job.record["kind"], job.status, done, progress["stage"], job.record["created_at"])
    out.print(table)


@app.command()
def doctor(context: typer.Context) -> None:
    """Look whether all is there that the service needs, and say what to mend. The exit status is 1 if it is not.

    With a URL it asks the service there; without one it looks at this machine and its settings.
    """
    marks = {"well": "[green]well[/]", "note": "[yellow]note[/]", "ill": "[red]ill[/]"}
    table = Table("", "", "")
    target: Target = context.obj
    if target.url is None:
        findings = examination.examine()
    else:
        with Client(target.url, target.key, timeout=10, retries=Retries(attempts=1)) as client:
            findings = examination.examine_service(client)
    for finding in findings:
        table.add_row(finding.what, marks[finding.state], finding.words)
    out.print(table)
    raise typer.Exit(1 if any(finding.state == "ill" for finding in findings) else 0)


def main() -> None:
    """The entry point."""
    app()


@contextmanager
def _session(context: typer.Context) -> Iterator[Client]:
    """The service; what it refuses ends the command."""
    with _complaining(), session(context.obj, console) as client:
        yield client


@contextmanager
def _complaining() -> Iterator[None]:
    """What goes wrong ends the command with its words and exit status 1."""
    try:
        yield
    except (LatentaugError, ServiceError, ValueError, OSError) as error:
        console.print(f"[red]{type(error).__name__}[/] {escape(str(error))}", highlight=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _dataset(client: Client, source: str, size: str | None) -> str:
    """The data set that `source` names, uploaded first where it is a folder or a file."""
    path = Path(source)
    if not path.exists():
        return str(client.dataset(source)["name"])
    name = dataset_name(path) if path.is_dir() else path.stem
    if size is not None:
        name = f"{name[:50]}-{size}"
    try:
        return str(client.dataset(name)["name"])
    except NotFound:
        with console.status(f"uploading {path} as {name}"):
            return str(client.upload(name, path, size=_pair(size))["name"])


def _own_model(client: Client, source: str, size: str | None) -> str:
    """A model of the folder itself, trained where there is none yet."""
    dataset = _dataset(client, source, size)
    name = _model_name(dataset)
    try:
        client.model(name)
    except NotFound:
        show(client.train(dataset, name=name))
    return name


def _model_name(dataset: str) -> str:
    return f"{dataset[:60]}-vae"


def _pair(size: str | None) -> tuple[int, int] | None:
    if size is None:
        return None
    height, _, width = size.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise ValueError(f"--size {size} is no height x width; write it as 28x28")
    return int(height), int(width)


if __name__ == "__main__":
    main()
