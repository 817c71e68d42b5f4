"""The commands that look at what a service has, and delete some of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from latentaug_client import Client, Job
from latentaug_client.retries import Retries
from rich.markup import escape
from rich.table import Table

from latentaug.imaging.intake import MOST_IN_A_SENTENCE
from latentaug.imaging.phrases import counted, percent
from latentaug.options import Layout
from latentaug.runtime.jobs import Kind, Status
from service.cli import doctor as examination
from service.cli import names, new_labels, not_taken, results, things
from service.cli.context import LaidOut, Unlabelled, client_of, out, say, told
from service.cli.destination import check_new, new_folder, write_beside
from service.cli.options import choice
from service.cli.progress import console, show, warn
from service.cli.session import Target


def models(context: typer.Context) -> None:
    """List the trained models: what they take, how well they reconstruct, and what that means."""
    with client_of(context, computing=False) as client:
        found, damaged = client.models(), client.damaged("models")
    for model in found:
        quality = model["reconstruction"]
        sharp = f", reconstructs to {quality['psnr']:.1f} dB" if quality and quality["psnr"] is not None else ""
        say(
            f"{model['name']}: {model['architecture']} network with {counted(model['latent_dim'], 'latent dimension')} "
            f"for images of {_shape(model)}, trained on {model['dataset']}{sharp}"
        )
        if model["advice"]:
            say(f"    {model['advice']}")
    _say_damaged(damaged)
    if not found and not damaged:
        say("There is no model yet; `latentaug train FOLDER` trains one.")


def datasets(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Name of a data set to be told all about.")
    ] = None,
) -> None:
    """List the data sets, the built-in ones and those that were uploaded; or tell what to know about one of them."""
    with client_of(context, computing=False) as client:
        if name is not None:
            described = client.dataset(name)
            say(f"{name}: {names.look(described)}")
            warn(described["warnings"])
            _say_unreadable(described["unreadable"])
            return
        found, damaged = client.datasets(), client.damaged("datasets")
    for dataset in found:
        classes = len(dataset["classes"])
        labels = f"{dataset['labelled']} of them labelled, " if dataset["unlabelled"] and classes else ""
        parts = dataset["parts"]
        say(
            f"{dataset['name']}: {counted(dataset['images'], 'image')} of {_shape(dataset)}, {labels}"
            f"{counted(classes, 'class') if classes else 'no labels'}; {parts['train']} to train on, "
            f"{parts['validation']} to validate and {parts['test']} to test"
        )
    _say_damaged(damaged)


def jobs(
    context: typer.Context,
    job_id: Annotated[
        str | None,
        typer.Argument(metavar="[JOB]", help="Id of a job to follow to its end, or its last 8 characters."),
    ] = None,
    kind: Annotated[Kind | None, choice(Kind, "List only jobs of this kind.")] = None,
    status: Annotated[Status | None, choice(Status, "List only jobs in this state.")] = None,
    cancel: Annotated[str | None, typer.Option(help="Id of a job to stop, or its last 8 characters.")] = None,
    to: Annotated[
        Path | None, typer.Option("--out", help="New folder for what the job makes, once it has succeeded.")
    ] = None,
    layout: LaidOut = "folders",
    source: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder that the job was given, to name its files in what --out holds."),
    ] = None,
    unlabelled: Unlabelled = None,
) -> None:
    """List the newest jobs, follow one and keep what it makes, or stop one."""
    if to is not None:
        with told(context):
            check_new(to)
            if job_id is None:
                raise ValueError("--out keeps what one job makes; name the job, as in latentaug jobs JOB --out FOLDER")
    with client_of(context, computing=job_id is not None) as client:
        if job_id is not None:
            job = names.job(client, job_id)
            _follow(client, job, to, layout, results.images(client, job, source, unlabelled))
            return
        if cancel is not None:
            stopped = names.job(client, cancel).cancel()
            say(f"Cancelled the {stopped.record['kind']} job {stopped.id}.")
            return
        table = Table("id", "kind", "status", "done", "created", "stage", box=None, padding=(0, 1, 0, 0))
        for column in table.columns[:5]:
            column.no_wrap = True
        for job in client.jobs(kind, status):
            progress = job.record["progress"]
            created = job.record["created_at"][5:16].replace("T", " ")  # room for the stage at 80 columns
            done = percent(progress["fraction"])
            table.add_row(job.id, job.record["kind"], job.status, done, created, progress["stage"])
    if table.rows:
        out.print(table)
        console.print("Of an id, its last 8 characters are enough.", highlight=False)
    else:
        say("There is no such job." if kind or status else "There is no job yet.")


def _follow(
    client: Client, job: Job, to: Path | None, layout: Layout, images: Mapping[str, Path] | None = None
) -> None:
    """Wait until a job has succeeded, say what came of it, and keep what it made in a new folder if there is one."""
    show(job)
    if to is not None:
        with new_folder(to) as unfinished:
            sheet = results.write(client, job, layout, unfinished, images)
    for sentence in results.told(job):
        say(sentence)
    if to is not None:
        say(f"What the {job.record['kind']} job {job.id} made is in {to}.")
        if sheet is not None:
            say(f"Some of them, each beside its source: {write_beside(to, sheet)}")
        left = new_labels.left(job, images) if job.record["kind"] == "label" else []
        if noted := not_taken.note(left, to):
            say(noted)
    elif job.record["kind"] != "train":
        say(f"To keep what it made, type: latentaug jobs {job.id} --out FOLDER")


def delete(
    context: typer.Context,
    wanted: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Names of models or data sets, or ids of jobs."),
    ],
    kind: Annotated[
        str | None, typer.Option(help="What the names name, where that is not clear: model, dataset or job.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
) -> None:
    """Delete models, data sets, and jobs with what they made; a job that has not ended is stopped.

    Of a job's id the last 8 characters are enough.
    """
    with client_of(context, computing=False) as client:
        chosen = [things.named(client, name, kind) for name in wanted]
        for thing in chosen:
            say(thing.described)
        if not yes and not typer.confirm("Go on? It cannot be brought back.", err=True):
            say("Nothing was deleted.")
            raise typer.Exit(1)
        for thing in chosen:
            thing.delete()
            say(f"{thing.done} the {thing.kind} {thing.name}.")


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


def _say_unreadable(unreadable: Mapping[str, Any] | None) -> None:
    """A line for each image that was left out, where there are more than a warning names."""
    if unreadable is None or unreadable["images"] <= MOST_IN_A_SENTENCE:
        return
    say(f"{counted(unreadable['images'], 'image')} left out, as they cannot be read:")
    for bad in unreadable["files"]:
        say(f"    {bad['file']}: {bad['reason']}")
    if more := unreadable["images"] - len(unreadable["files"]):
        say(f"    and {more:,} more")


def _say_damaged(damaged: Sequence[Mapping[str, Any]]) -> None:
    """A line for each that is damaged."""
    for one in damaged:
        say(f"{one['name']}: {one['detail']}")


def _shape(described: Mapping[str, Any]) -> str:
    """Height, width and colour of a model's or a data set's images."""
    return f"{described['height']}x{described['width']} {'grey' if described['channels'] == 1 else 'colour'}"
