"""Calls a latentaug service. `Client` waits for each answer; `AsyncClient` is awaited.

>>> from latentaug_client import Client
>>> with Client(url) as client:
...     client.dataset("digits")["classes"][:3]
['0', '1', '2']
"""

from latentaug_client.async_client import AsyncClient
from latentaug_client.client import Client
from latentaug_client.errors import (
    Busy,
    Conflict,
    Denied,
    Invalid,
    JobFailed,
    LatentaugError,
    NotFound,
    Problem,
    TooLate,
    Unreachable,
)
from latentaug_client.events import Event
from latentaug_client.jobs import AsyncJob, Job
from latentaug_client.options import (
    AugmentDatasetOptions,
    AugmentJobOptions,
    AugmentOptions,
    EvaluateOptions,
    ImageOptions,
    InterpolateOptions,
    LabelJobOptions,
    LabelOptions,
    RecommendOptions,
    TrainOptions,
)
from latentaug_client.payloads import Augmented, Encoded, Labelled, SpreadLabels
from latentaug_client.remarks import ImageWarning

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "AugmentDatasetOptions",
    "AugmentJobOptions",
    "AugmentOptions",
    "Augmented",
    "Busy",
    "Client",
    "Conflict",
    "Denied",
    "Encoded",
    "EvaluateOptions",
    "Event",
    "ImageOptions",
    "ImageWarning",
    "InterpolateOptions",
    "Invalid",
    "Job",
    "JobFailed",
    "LabelJobOptions",
    "LabelOptions",
    "Labelled",
    "LatentaugError",
    "NotFound",
    "Problem",
    "RecommendOptions",
    "SpreadLabels",
    "TooLate",
    "TrainOptions",
    "Unreachable",
]
