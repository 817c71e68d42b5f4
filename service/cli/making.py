"""The commands that make something of images: models, new images, labels, training sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from latentaug.imaging.phrases import counted
from latentaug.options import (
    AskedDecode,
    AugmentOptions,
    LabelParams,
    LabelSpace,
    Method,
    RecommendParams,
    TrainParams,
)
from service.cli import augmenting, names, new_labels, not_taken, results
from service.cli.context import (
    OPENED,
    Beta,
    Bits,
    Epochs,
    LaidOut,
    Model,
    NewFolder,
    Size,
    SkipBad,
    Source,
    Unlabelled,
    advise,
    client_of,
    say,
    told,
)
from service.cli.destination import check_new, new_folder, unpack, write_beside
from service.cli.folders import check_neighbours, check_one_size, read
from service.cli.manifest import Manifest
from service.cli.options import given, option
from service.cli.progress import console, show, warn
from service.cli.quality import in_words, measured
from service.cli.reading import path_of, read_as
from service.cli.training import check_free, check_labels, check_there, check_untrained, chosen_model, own_model
from service.cli.unzipping import opened


def train(
    context: typer.Context,
    source: Source,
    name: Annotated[
        str | None, option(TrainParams, "name", own="Name of the new model; by default it is named after the data set.")
    ] = None,
    latent_dim: Annotated[int | None, option(TrainParams, "latent_dim")] = None,
    epochs: Annotated[int | None, option(TrainParams, "epochs")] = None,
    beta: Annotated[float | None, option(TrainParams, "beta")] = None,
    architecture: Annotated[str | None, option(TrainParams, "architecture")] = None,
    max_seconds: Annotated[float | None, option(TrainParams, "max_seconds")] = None,
    unlabelled: Unlabelled = None,
    size: Size = None,
    skip_bad: SkipBad = False,
    bits: Bits = None,
    seed: Annotated[int | None, option(TrainParams, "seed")] = None,
) -> None:
    """Train a VAE on images. Labels are not needed."""
    with client_of(context) as client:
        check_free(client, name)
        dataset = names.dataset(client, source, console, read_as(unlabelled, size, skip_bad, bits))
        name = name or names.model_name(dataset)
        check_free(client, name)
        how = given(latent_dim=latent_dim, epochs=epochs, beta=beta, architecture=architecture, max_seconds=max_seconds)
        job = client.train(dataset, name=name, **how, **given(seed=seed))
        show(job)
        say(f"model {name} (job {job.id})")
        say(client.model(name)["advice"])


def augment(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FOLDER", help="Folder of images, or of class folders; or its zip.")],
    to: NewFolder,
    model: Model = None,
    method: Annotated[Method | None, option(AugmentOptions, "method")] = None,
    alpha: Annotated[float | None, option(AugmentOptions, "alpha")] = None,
    k: Annotated[int | None, option(AugmentOptions, "k")] = None,
    decode: Annotated[AskedDecode | None, option(AugmentOptions, "decode")] = None,
    epochs: Epochs = None,
    beta: Beta = None,
    unlabelled: Unlabelled = None,
    size: Size = None,
    skip_bad: SkipBad = False,
    bits: Bits = None,
    resize: Annotated[bool, typer.Option(help="Resize the images to the size that the model takes.")] = False,
    seed: Annotated[int | None, option(AugmentOptions, "seed")] = None,
) -> None:
    """Make new images from a folder's images, with a manifest.csv that says how each was made, and a contact sheet."""
    how = given(epochs=epochs, beta=beta)
    with told(context):
        images = context.meta[OPENED] = context.with_resource(opened(path_of(source)))
        check_untrained(model, **how, **given(size=size))
        check_new(to, images.folder, unlabelled)
        given_options = given(method=method, alpha=alpha, k=k, decode=decode, seed=seed)
        options = AugmentOptions(**given_options, **given(bits=bits), resize=resize or size is not None)
        read_so = read_as(unlabelled, size, skip_bad, bits)
        reading = read(images.folder, read_so)
        if model is None and size is None:
            check_one_size(reading)
        if options.method != "noise":
            check_neighbours(reading.batches, options.k)
    with client_of(context) as client, new_folder(to) as unfinished:
        dataset = None
        if model is None:
            dataset = names.dataset(client, source, console, read_so)
            model = own_model(client, dataset, **how)
        described = names.description(client, model)
        advise(described)
        noted = options.model_dump(include={"method", "alpha", "k", "seed", "resize"})
        noted |= {"model": model, "version": described["version"]}
        written = Manifest(unfinished, noted, reading.bits, images.name)
        if augmenting.are_few(reading, options):
            if dataset is None:
                warn(reading.warnings)
            augmenting.by_requests(client, model, reading, options, written)
            quality = measured(client, model, written)
        else:
            as_folder = dataset if images.folder == images.typed else None  # the order of a zip's images is another
            shape = (described["height"], described["width"]) if options.resize else None
            fitting = replace(read_so, size=shape)
            with augmenting.sources(
                client, reading, shape, lambda: as_folder or names.dataset(client, str(images.folder), console, fitting)
            ) as (sources, files):
                quality = in_words(augmenting.by_job(client, model, sources, files, reading.batches, options, written))
        written.close()
        sheet = written.sheet()
    say(f"{counted(len(written), 'new image')} in {to}, made from {reading}")
    say(quality)
    with told(context):
        say(f"Some of them, each beside its source: {write_beside(to, sheet)}")
        if without := not_taken.note(reading.not_taken, to):
            say(without)


def label(
    context: typer.Context,
    source: Source,
    to: NewFolder,
    model: Model = None,
    space: Annotated[LabelSpace | None, option(LabelParams, "space")] = None,
    keep: Annotated[float | None, option(LabelParams, "keep")] = None,
    per_class: Annotated[bool | None, option(LabelParams, "per_class", "--per-class")] = None,
    epochs: Epochs = None,
    beta: Beta = None,
    unlabelled: Unlabelled = None,
    size: Size = None,
    skip_bad: SkipBad = False,
    bits: Bits = None,
    layout: LaidOut = "folders",
    whole: Annotated[bool | None, option(LabelParams, "whole", "--whole")] = None,
    seed: Annotated[int | None, option(LabelParams, "seed")] = None,
) -> None:
    """Label unlabelled images by the labelled ones, and say how many of the new labels are likely right."""
    how = given(epochs=epochs, beta=beta)
    with told(context):
        check_untrained(model, **how)
        check_new(to, path_of(source), unlabelled)
        read_so = read_as(unlabelled, size, skip_bad, bits)
    with client_of(context) as client, new_folder(to) as unfinished:
        check_there(client, model)
        dataset = names.dataset(client, source, console, read_so)
        check_labels(client, dataset, to_spread=True)
        model = chosen_model(client, dataset, model, **how)
        options = given(space=space, keep=keep, per_class=per_class, whole=whole, seed=seed)
        job = client.label_dataset(dataset, model, **options)
        show(job)
        described = client.dataset(dataset)
        images = names.images(source, described, read_so)
        unpack(job, layout, unfinished, images, described["classes"])
        without = [*names.not_read(described), *new_labels.left(job, images)]
    made = job.record["result"]
    say(new_labels.summary(made))
    for sentence in new_labels.unused(made, described):
        say(sentence)
    say(f"Those that got one are in {to}.")
    with told(context):
        if noted := not_taken.note(without, to):
            say(noted)


def recommend(
    context: typer.Context,
    source: Source,
    to: Annotated[Path, typer.Option("--out", help="New folder for the training set, with a folder for each class.")],
    model: Model = None,
    budget_seconds: Annotated[float | None, option(RecommendParams, "budget_seconds", "--budget")] = None,
    labelled: Annotated[int | None, option(RecommendParams, "labelled")] = None,
    classifiers: Annotated[list[str] | None, option(RecommendParams, "classifiers", "--classifier")] = None,
    epochs: Epochs = None,
    beta: Beta = None,
    unlabelled: Unlabelled = None,
    size: Size = None,
    skip_bad: SkipBad = False,
    bits: Bits = None,
    layout: LaidOut = "folders",
    seed: Annotated[int | None, option(RecommendParams, "seed")] = None,
) -> None:
    """Find the training set that serves classifiers best, measure it, and write it.

    Put images without a label in a folder `unlabelled` beside the class folders: they help the most.
    """
    how = given(epochs=epochs, beta=beta)
    with told(context):
        check_untrained(model, **how)
        check_new(to, path_of(source), unlabelled)
        read_so = read_as(unlabelled, size, skip_bad, bits)
    asked = given(budget_seconds=budget_seconds, labelled=labelled, classifiers=classifiers, seed=seed)
    with client_of(context) as client, new_folder(to) as unfinished:
        check_there(client, model)
        dataset = names.dataset(client, source, console, read_so)
        check_labels(client, dataset, labelled=labelled)
        model = chosen_model(client, dataset, model, **how)
        job = client.recommend(dataset, model=model, **asked)
        show(job)
        made = client.augment_dataset(dataset, recipe=job.id)
        show(made)
        described = client.dataset(dataset)
        unpack(made, layout, unfinished, names.images(source, described, read_so), described["classes"])
        for verdict in results.verdicts(job.record["result"]["verdict"]):
            say(verdict)
        result = made.record["result"]
        if result.get("quality"):
            say(in_words(result["quality"]))
    of = job.record["result"]["described"]
    say(f"{counted(result['images'], 'image')} in {to} (job {job.id}): {of}")
