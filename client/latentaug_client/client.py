"""The client whose methods wait for the answer."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from types import TracebackType
from typing import Any, Self, Unpack

from numpy.typing import ArrayLike, NDArray

from latentaug_client import calls, inference
from latentaug_client.calls import Kind, Record, Things
from latentaug_client.connection import Connection
from latentaug_client.images import Image, Images
from latentaug_client.jobs import Job
from latentaug_client.options import (
    AugmentDatasetOptions,
    AugmentOptions,
    EvaluateOptions,
    ImageOptions,
    InterpolateOptions,
    LabelJobOptions,
    LabelOptions,
    RecommendOptions,
    TrainOptions,
)
from latentaug_client.payloads import Augmented, Encoded, SpreadLabels
from latentaug_client.retries import Retries


class Client:
    """Calls one service. Several threads may share it. Close it after use, or use it in a `with` block.

    Every method may raise a `LatentaugError`: a `Problem`, in which the service says what is wrong, or `Unreachable`.
    What the service says of images that it takes, but that may not be as they were meant, is an `ImageWarning`.
    If the service is busy (429) or not ready (503), the request is sent again after as long as the service says.
    Options that you leave out take the service's own defaults.

    Args:
        url: the service's URL, such as `http://127.0.0.1:8000`.
        key: API key, if the service asks for one.
        timeout: seconds to wait for an answer.
        retries: how often to send a request again.

    >>> with Client(url) as client:
    ...     [dataset["name"] for dataset in client.datasets()][:2]
    ['digits', 'mnist']
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 60.0, retries: Retries | None = None
    ) -> None:
        self._connection = Connection(url, key, timeout, retries or Retries())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._connection.close()

    def encode(self, images: Images, *, model: str, **options: Unpack[ImageOptions]) -> Encoded:
        """Encode images to latent vectors.

        Args:
            images: as for `augment`.
            model: name of a trained model.
            options: the options in `ImageOptions`: whether to `resize` the images to the size that the model takes, and
                how many `bits` those of 16 bits use.

        >>> client.encode(images, model="digits-vae").latents.shape
        (40, 20)
        """
        return inference.encode(self._connection, model, images, options)

    def decode(self, latents: NDArray[Any], *, model: str) -> NDArray[Any]:
        """Decode latents, float32 [n, latent_dim], to images, uint8 [n, h, w(, 3)].

        >>> client.decode(np.zeros((2, 20), np.float32), model="digits-vae").shape
        (2, 8, 8)
        """
        return inference.decode(self._connection, model, latents)

    def augment(
        self, images: Images, labels: ArrayLike | None = None, *, model: str, **options: Unpack[AugmentOptions]
    ) -> Augmented:
        """Make new images from these; of more than one request can do, by a job, whose data set is deleted again.

        Args:
            images: as `Images` says.
            labels: one label for each image, or None; with labels, an image's neighbours have its own label. An image
                without a label (None, -1 or NaN among numbers, an empty text among texts) has neighbours of any.
            model: name of a trained model.
            options: the options in `AugmentOptions`.

        >>> new = client.augment(images, labels, model="digits-vae", method="interpolation", k=3)
        >>> new.images.shape
        (120, 8, 8)
        >>> new.source[:4]  # k children of each image, in the order of the images
        array([0, 0, 0, 1])
        >>> bool((new.labels == labels[new.source]).all())
        True
        """
        return inference.augment(self._connection, model, images, labels, options)

    def label(self, images: Images, labels: ArrayLike, *, model: str, **options: Unpack[LabelOptions]) -> SpreadLabels:
        """Spread the labels of some images over the others; of more than one request can do, by a job, as `augment`.

        Args:
            images: as for `augment`.
            labels: one label for each image: -1, "" or None for those that have none.
            model: name of a trained model.
            options: the options in `LabelOptions`.

        >>> some = np.where(np.arange(40) < 20, labels, -1)
        >>> spread = client.label(images, some, model="digits-vae")
        >>> bool((spread.labels[:20] == labels[:20]).all()), spread.confidence.shape
        (True, (40,))
        """
        return inference.label(self._connection, model, images, labels, options)

    def quality(
        self, images: Images, labels: ArrayLike | None = None, *, model: str, **options: Unpack[ImageOptions]
    ) -> Record:
        """How like a model's training images others are, and whether they are copies; `sentence` says it in words.

        Args:
            images: as for `augment`, but no more than one request holds; of more, some drawn at random tell as much.
            labels: as for `augment`, of the model's data set.
            model: name of a trained model.
            options: as for `encode`.

        >>> found = client.quality(images, model="digits-vae")
        >>> len(found["nearest"]), found["density"] > 0.5, found["warning"]
        (40, True, None)
        """
        return inference.quality(self._connection, model, images, labels, options)

    def interpolate(
        self, first: Image, last: Image, *, model: str, **options: Unpack[InterpolateOptions]
    ) -> NDArray[Any]:
        """The images on the way from one image to another, uint8 [steps, h, w(, 3)], both ends included.

        Args:
            first: an image, as one of those for `augment`.
            last: another.
            model: name of a trained model.
            options: the options in `InterpolateOptions`.

        >>> strip = client.interpolate(images[0], images[1], model="digits-vae", steps=5, decode="residual")
        >>> strip.shape, bool((strip[0] == images[0]).all())
        ((5, 8, 8), True)
        """
        return self._connection.send(calls.interpolate(model, first, last, options))

    def models(self) -> list[Record]:
        """The descriptions of all models."""
        return self._connection.send(calls.models())

    def damaged(self, of: Things = "models") -> list[Record]:
        """The names of models, or of data sets, whose files are damaged, each with what to do about it."""
        return self._connection.send(calls.damaged(of))

    def model(self, name: str) -> Record:
        """The description of one model.

        >>> client.model("digits-vae")["latent_dim"]
        20
        """
        return self._connection.send(calls.model(name))

    def delete_model(self, name: str) -> None:
        """Delete a model."""
        self._connection.send(calls.delete_model(name))

    def datasets(self) -> list[Record]:
        """The descriptions of all data sets."""
        return self._connection.send(calls.datasets())

    def dataset(self, name: str) -> Record:
        """The description of one data set."""
        return self._connection.send(calls.dataset(name))

    def upload(
        self,
        name: str,
        source: Images | str | PathLike[str],
        labels: ArrayLike | None = None,
        *,
        unlabelled: str | PathLike[str] | None = None,
        size: tuple[int, int] | str | None = None,
        skip_bad: bool = False,
        bits: int | None = None,
    ) -> Record:
        """Create a data set.

        Args:
            name: name of the new data set.
            source: images as for `augment`, a .zip or .npz file, or a folder with one folder of images per class.
            labels: one label for each image, as for `augment`; a file or folder has its own. In a zip or folder, images
                below a folder `unlabelled` have none.
            unlabelled: a folder of more images, without labels, beside the `source` folder.
            size: height and width in pixels to resize every image to, such as (48, 64) or "48x64"; needed if the images
                have several sizes.
            skip_bad: whether to go on without images that cannot be read; they are named either way.
            bits: how many bits 16-bit images use, 8 to 16; by default as few as hold the largest value of all.

        >>> client.upload("few", images, [*labels[:30], *[None] * 10])["labelled"]
        30
        >>> client.delete_dataset("few")
        """
        call = calls.upload(name, source, labels, unlabelled, size, skip_bad=skip_bad, bits=bits)
        return self._connection.send(call)

    def delete_dataset(self, name: str) -> None:
        """Delete an uploaded data set."""
        self._connection.send(calls.delete_dataset(name))

    def train(self, dataset: str, *, key: str | None = None, **params: Unpack[TrainOptions]) -> Job:
        """Start a job that trains a model on a data set. `TrainOptions` has its parameters.

        >>> job = client.train("digits", name="small", latent_dim=4, epochs=1).wait()
        >>> job.status, job.record["result"]["model"]
        ('succeeded', 'small')
        >>> [event.type for event in job.events()][-1]
        'end'
        >>> client.delete_model("small")
        """
        return self.submit("train", {"dataset": dataset, **params}, key)

    def evaluate(self, dataset: str, *, key: str | None = None, **params: Unpack[EvaluateOptions]) -> Job:
        """Start a job that measures whether new images help. `EvaluateOptions` has its parameters.

        >>> job = client.evaluate("digits", model="digits-vae", labelled=50, draws=2, classifiers=["knn"],
        ...                       spaces=["image"], methods=["interpolation"], comparators=[], combine=False)
        >>> report = job.wait().result("markdown").decode()
        >>> any(verdict in report for verdict in ("helps", "harms", "cannot tell"))
        True
        """
        return self.submit("evaluate", {"dataset": dataset, **params}, key)

    def recommend(self, dataset: str, *, key: str | None = None, **params: Unpack[RecommendOptions]) -> Job:
        """Start a job that looks for the best training set. `RecommendOptions` has its parameters.

        Its result has the recipe of which `augment_dataset` makes the training set, and a verdict for each classifier.

        >>> job = client.recommend("digits", labelled=30, classifiers=["knn"], budget_seconds=5).wait()
        >>> sorted(job.record["result"]["recipe"])
        ['model', 'parts', 'seed', 'spread']
        """
        return self.submit("recommend", {"dataset": dataset, **params}, key)

    def augment_dataset(
        self,
        dataset: str,
        model: str | None = None,
        *,
        key: str | None = None,
        **params: Unpack[AugmentDatasetOptions],
    ) -> Job:
        """Start a job that augments the training part of a data set, or makes the training set of a recipe.

        Args:
            dataset: name of the data set.
            model: name of a trained model; a recipe names its own.
            key: idempotency key; see `submit`.
            params: the options in `AugmentJobOptions`, or `recipe`: a recipe, or the id of a recommend job.

        >>> job = client.augment_dataset("digits", "digits-vae", k=1).wait()
        >>> read_labelled(job.result("npz")).images.shape[1:]
        (8, 8)
        """
        return self.submit("augment", calls.augment_params(dataset, model, params), key)

    def label_dataset(
        self, dataset: str, model: str, *, key: str | None = None, **params: Unpack[LabelJobOptions]
    ) -> Job:
        """Start a job that spreads labels over the unlabelled images of a data set's training part.

        `LabelJobOptions` has its parameters.

        >>> some = np.where(np.arange(40) < 20, labels, -1)
        >>> client.upload("some", images, some)["unlabelled"]
        20
        >>> job = client.label_dataset("some", "digits-vae").wait()
        >>> sorted(job.record["result"])
        ['expected_accuracy', 'kept', 'labelled', 'space', 'unlabelled']
        >>> client.delete_dataset("some")
        """
        return self.submit("label", {"dataset": dataset, "model": model, **params}, key)

    def submit(self, kind: Kind, params: Mapping[str, Any], key: str | None = None) -> Job:
        """Start a job of this kind with these parameters.

        Within a day, a second call with the same idempotency `key` gives the same job and starts no other; by default
        every call has a new one.
        """
        return Job(self._connection, self._connection.send(calls.submit(kind, params, key)))

    def job(self, job_id: str) -> Job:
        """The job with this id."""
        return Job(self._connection, self._connection.send(calls.job(job_id)))

    def jobs(self, kind: Kind | None = None, status: str | None = None, limit: int | None = None) -> list[Job]:
        """The newest jobs, of one kind or in one state if you name it."""
        return [Job(self._connection, record) for record in self._connection.send(calls.jobs(kind, status, limit))]

    def delete_job(self, job_id: str) -> None:
        """Delete the record and the results of a job that has ended; a model that it trained stays."""
        self._connection.send(calls.delete_job(job_id))

    def check_ready(self) -> None:
        """Raise an error if the service is not ready; it names the parts that do not answer."""
        self._connection.send(calls.ready())

    def ready(self) -> bool:
        """Whether the service is ready for requests."""
        return self._connection.ready()
