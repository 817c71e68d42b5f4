"""The client that waits for each answer."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

import httpx
from numpy.typing import ArrayLike, NDArray

from latentaug_client import calls, errors
from latentaug_client.calls import Call, Kind, Record
from latentaug_client.events import Event, EventLines
from latentaug_client.options import AugmentJobOptions, AugmentOptions, EvaluateOptions, TrainOptions
from latentaug_client.payloads import Augmented, Encoded, Image, Images
from latentaug_client.retries import Retries

T = TypeVar("T")
LIVING = {"queued", "running"}
POLL_SECONDS = 0.5


def headers(key: str | None) -> dict[str, str]:
    """Of every request."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def progress_line(record: Mapping[str, Any]) -> str:
    """How far a job is, in one line."""
    progress = record["progress"]
    left = progress.get("eta_seconds")
    return f"{record['kind']} {record['status']} {progress['fraction']:4.0%} {progress['stage']}" + (
        f", {left:.0f} s left" if left and record["status"] in LIVING else ""
    )


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
        self._http = httpx.Client(base_url=url, headers=headers(key), timeout=timeout)
        self._retries = retries or Retries()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def encode(self, images: Images, *, model: str, resize: bool = False) -> Encoded:
        """Images to latents, as `Encoded`.

        >>> client.encode(images, model="digits-vae").latents.shape
        (40, 20)
        """
        return self._send(calls.encode(model, images, resize=resize))

    def decode(self, latents: NDArray[Any], *, model: str) -> NDArray[Any]:
        """Latents float32 [n, latent_dim] to images uint8 [n, h, w(, 3)].

        >>> client.decode(np.zeros((2, 20), np.float32), model="digits-vae").shape
        (2, 8, 8)
        """
        return self._send(calls.decode(model, latents))

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
        return self._send(calls.augment(model, images, labels, options))

    def interpolate(self, first: Image, last: Image, *, model: str, steps: int = 8) -> NDArray[Any]:
        """The strip of images between two, uint8 [steps, h, w(, 3)].

        >>> client.interpolate(images[0], images[1], model="digits-vae", steps=5).shape
        (5, 8, 8)
        """
        return self._send(calls.interpolate(model, first, last, steps))

    def models(self) -> list[Record]:
        """All models."""
        return self._send(calls.models())

    def model(self, name: str) -> Record:
        """One model's description.

        >>> client.model("digits-vae")["latent_dim"]
        20
        """
        return self._send(calls.model(name))

    def delete_model(self, name: str) -> None:
        """Delete a model."""
        self._send(calls.delete_model(name))

    def datasets(self) -> list[Record]:
        """All data sets."""
        return self._send(calls.datasets())

    def dataset(self, name: str) -> Record:
        """One data set's description."""
        return self._send(calls.dataset(name))

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
        return self._send(calls.upload(name, source, labels, size))

    def delete_dataset(self, name: str) -> None:
        """Delete an uploaded data set."""
        self._send(calls.delete_dataset(name))

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
        return Job(self, self._send(calls.submit(kind, params, key)))

    def job(self, job_id: str) -> Job:
        """A job by its id."""
        return Job(self, self._send(calls.job(job_id)))

    def jobs(self, kind: Kind | None = None, status: str | None = None, limit: int = 50) -> list[Job]:
        """The newest jobs, of one kind or state where these are given."""
        return [Job(self, record) for record in self._send(calls.jobs(kind, status, limit))]

    def check_ready(self) -> None:
        """Raise an error that names the parts of the service that do not answer, if any."""
        self._send(calls.ready())

    def ready(self) -> bool:
        """Whether the service takes requests."""
        try:
            return self._http.get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _send(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._http.send(call.request(self._http))
            except httpx.TransportError as error:
                pause = self._retries.after_break(call, error, attempt)
                if pause is None:
                    raise errors.Unreachable(f"no answer from {self._http.base_url}: {error}") from error
            else:
                if response.is_success:
                    return call.read(response)
                pause = self._retries.after_answer(response, attempt)
                if pause is None:
                    raise errors.problem(response)
            time.sleep(pause)

    def _stream(self, call: Call[None]) -> Iterator[Event]:
        """The events of one connection."""
        try:
            with self._http.stream(call.verb, call.path, headers=call.headers) as response:
                if not response.is_success:
                    response.read()
                    raise errors.problem(response)
                lines = EventLines()
                for line in response.iter_lines():
                    if event := lines.take(line):
                        yield event
        except httpx.TransportError as error:
            raise errors.Unreachable(f"the events of {self._http.base_url} broke off: {error}") from error


class Job:
    """A job of a service.

    Attributes:
        record: what was known of it when it was last looked at.
    """

    def __init__(self, client: Client, record: Record) -> None:
        self._client = client
        self.record = record

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.record["id"])

    @property
    def status(self) -> str:
        """queued, running, succeeded, failed or cancelled, when it was last looked at."""
        return str(self.record["status"])

    def refresh(self) -> Self:
        """Look at it again."""
        self.record = self._client._send(calls.job(self.id))
        return self

    def wait(self, *, progress: bool = False, timeout: float | None = None) -> Self:
        """Wait until it has succeeded.

        Args:
            progress: whether to say on standard error how far it is.
            timeout: seconds to wait at most.

        Raises:
            JobFailed: it failed, or was cancelled.
            TimeoutError: it has not ended in time; it goes on.
        """
        end = None if timeout is None else time.monotonic() + timeout
        shown = ""
        while True:
            if progress and (line := progress_line(self.record)) != shown:
                shown = line
                print(line, file=sys.stderr, flush=True)
            if self.status not in LIVING:
                break
            if end is not None and time.monotonic() >= end:
                raise TimeoutError(f"job {self.id} is {self.status} after {timeout:g} s; it goes on")
            time.sleep(POLL_SECONDS)
            self.refresh()
        if self.status != "succeeded":
            raise errors.JobFailed(self.record)
        return self

    def cancel(self) -> Self:
        """Stop it."""
        self.record = self._client._send(calls.cancel(self.id))
        return self

    def result(self, form: str = "json", *, figure: str | None = None) -> bytes:
        """Its result as `json`, and by kind as `csv`, `markdown`, `png`, `npz` or `zip`; or one of its figures."""
        return self._client._send(calls.result(self.id, "png" if figure else form, figure))

    def events(self) -> Iterator[Event]:
        """Its events from the first on, as they come, until it ends. A broken connection is taken up again."""
        after: str | None = None
        broken = 0
        while True:
            try:
                for event in self._client._stream(calls.events(self.id, after)):
                    after, broken = event.id, 0
                    yield event
                    if event.type == "end":
                        return
            except errors.Unreachable:
                broken += 1
                if broken >= self._client._retries.attempts:
                    raise
            time.sleep(POLL_SECONDS)
