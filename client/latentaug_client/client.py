"""The client that waits for each answer."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from types import TracebackType
from typing import Any, Self, Unpack

from numpy.typing import ArrayLike, NDArray

from latentaug_client import calls
from latentaug_client.calls import Kind, Record
from latentaug_client.connection import Connection
from latentaug_client.jobs import Job
from latentaug_client.options import AugmentJobOptions, AugmentOptions, EvaluateOptions, TrainOptions
from latentaug_client.payloads import Augmented, Encoded, Image, Images
from latentaug_client.retries import Retries


class Client:
    """Calls one service. May be used by several threads; close it, or use it in a `with` block.

    Every method raises `errors.LatentaugError`: a `Problem` of the kind that the service names, or `Unreachable`.
    What the service refuses for the moment (429, 503) is sent again after as long as it says.

    Args:
        url: of the service, such as `http://127.0.0.1:8000`.
        key: where the service asks for one.
        timeout: seconds for one answer.
        retries: how often to try again.

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

    def encode(self, images: Images, *, model: str, resize: bool = False) -> Encoded:
        """Images to latents, as `Encoded`.

        >>> client.encode(images, model="digits-vae").latents.shape
        (40, 20)
        """
        return self._connection.send(calls.encode(model, images, resize=resize))

    def decode(self, latents: NDArray[Any], *, model: str) -> NDArray[Any]:
        """Latents float32 [n, latent_dim] to images uint8 [n, h, w(, 3)].

        >>> client.decode(np.zeros((2, 20), np.float32), model="digits-vae").shape
        (2, 8, 8)
        """
        return self._connection.send(calls.decode(model, latents))

    def augment(
        self, images: Images, labels: ArrayLike | None = None, *, model: str, **options: Unpack[AugmentOptions]
    ) -> Augmented:
        """Make new images of these.

        Args:
            images: an array, or a sequence of arrays, paths, bytes of image files or PIL images.
            labels: one an image; neighbours are then of the same label.
            model: name of a trained model.
            options: as `AugmentOptions` names them; the service's own defaults otherwise.

        >>> new = client.augment(images, labels, model="digits-vae", method="interpolation", k=3)
        >>> new.images.shape, new.images.dtype
        ((120, 8, 8), dtype('uint8'))
        >>> new.source[:4]  # k children of each image, in the order of the images
        array([0, 0, 0, 1])
        >>> bool((new.labels == labels[new.source]).all())
        True
        """
        return self._connection.send(calls.augment(model, images, labels, options))

    def interpolate(self, first: Image, last: Image, *, model: str, steps: int = 8) -> NDArray[Any]:
        """The strip of images between two, uint8 [steps, h, w(, 3)].

        >>> client.interpolate(images[0], images[1], model="digits-vae", steps=5).shape
        (5, 8, 8)
        """
        return self._connection.send(calls.interpolate(model, first, last, steps))

    def models(self) -> list[Record]:
        """All models."""
        return self._connection.send(calls.models())

    def model(self, name: str) -> Record:
        """One model's description.

        >>> client.model("digits-vae")["latent_dim"]
        20
        """
        return self._connection.send(calls.model(name))

    def delete_model(self, name: str) -> None:
        """Delete a model."""
        self._connection.send(calls.delete_model(name))

    def datasets(self) -> list[Record]:
        """All data sets."""
        return self._connection.send(calls.datasets())

    def dataset(self, name: str) -> Record:
        """One data set's description."""
        return self._connection.send(calls.dataset(name))

    def upload(
        self,
        name: str,
        source: NDArray[Any] | str | PathLike[str],
        labels: ArrayLike | None = None,
        *,
        size: tuple[int, int] | None = None,
    ) -> Record:
        """Make a data set.

        Args:
            name: of the data set.
            source: images as an array, a .zip or .npz file, or a folder with a folder of images for each class.
            labels: one an image, with an array only.
            size: height and width that every image is resized to; needed where sizes differ.

        >>> client.upload("few", images, labels)["images"]
        40
        >>> client.delete_dataset("few")
        """
        return self._connection.send(calls.upload(name, source, labels, size))

    def delete_dataset(self, name: str) -> None:
        """Delete an uploaded data set."""
        self._connection.send(calls.delete_dataset(name))

    def train(self, dataset: str, *, key: str | None = None, **params: Unpack[TrainOptions]) -> Job:
        """Start to train a model on a data set; parameters as of `POST /v1/jobs/train`.

        >>> job = client.train("digits", name="small", latent_dim=4, epochs=1).wait()
        >>> job.status, job.record["result"]["model"]
        ('succeeded', 'small')
        >>> [event.type for event in job.events()][-1]
        'end'
        >>> client.delete_model("small")
        """
        return self.submit("train", {"dataset": dataset, **params}, key)

    def evaluate(self, dataset: str, *, key: str | None = None, **params: Unpack[EvaluateOptions]) -> Job:
        """Start to measure whether augmentation helps; parameters as of `POST /v1/jobs/evaluate`.

        >>> job = client.evaluate("digits", model="digits-vae", labelled=50, draws=2, classifiers=["knn"],
        ...                       spaces=["image"], methods=["interpolation"], comparators=[], combine=False)
        >>> report = job.wait().result("markdown").decode()
        >>> any(verdict in report for verdict in ("helps", "harms", "cannot tell"))
        True
        """
        return self.submit("evaluate", {"dataset": dataset, **params}, key)

    def augment_dataset(
        self, dataset: str, model: str, *, key: str | None = None, **params: Unpack[AugmentJobOptions]
    ) -> Job:
        """Start to augment a whole data set; parameters as of `POST /v1/jobs/augment`.

        >>> job = client.augment_dataset("digits", "digits-vae", k=1).wait()
        >>> read_labelled(job.result("npz")).images.shape[1:]
        (8, 8)
        """
        return self.submit("augment", {"dataset": dataset, "model": model, **params}, key)

    def submit(self, kind: Kind, params: Mapping[str, Any], key: str | None = None) -> Job:
        """Start a job.

        Args:
            kind: of job.
            params: what to do.
            key: repeated with the same one, within a day, the call gives the same job; by default a new one.
        """
        return Job(self._connection, self._connection.send(calls.submit(kind, params, key)))

    def job(self, job_id: str) -> Job:
        """A job by its id."""
        return Job(self._connection, self._connection.send(calls.job(job_id)))

    def jobs(self, kind: Kind | None = None, status: str | None = None, limit: int = 50) -> list[Job]:
        """The newest jobs, of one kind or state where these are given."""
        return [Job(self._connection, record) for record in self._connection.send(calls.jobs(kind, status, limit))]

    def check_ready(self) -> None:
        """Raise an error that names the parts of the service that do not answer, if any."""
        self._connection.send(calls.ready())

    def ready(self) -> bool:
        """Whether the service takes requests."""
        return self._connection.ready()
