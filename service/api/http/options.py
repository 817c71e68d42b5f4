"""Options that HTTP alone has, and how callers' values are checked against a schema."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Literal, TypeVar, get_args

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from starlette.datastructures import QueryParams
from starlette.requests import Request

from latentaug.datasets.shards import MOST_SHARDS
from latentaug.errors import InvalidInput
from latentaug.options import NAME, NAME_RULE, Bits, LayoutOptions, Options, Seeded
from latentaug.runtime.jobs import Kind, Status
from service.api.http import media

Schema = TypeVar("Schema", bound=BaseModel)


Chosen = TypeVar("Chosen", bound=Options)


class ImageFileOptions(Options):
    """How the images of an upload are read."""

    size: Annotated[str, Field(pattern=r"^[0-9]{1,3}x[0-9]{1,3}$")] | None = None
    """Resize every image to this height x width, such as 28x28 (aspect kept, padded). Needed if sizes differ."""

    skip_bad: bool = False
    """Go on without the images of a zip that cannot be read; the description names them. Else all are refused."""
    bits: Bits | None = None
    """How many bits the values of 16-bit image files use. Default: as few as hold the largest value of them all."""

    @property
    def height_and_width(self) -> tuple[int, int] | None:
        """The size in pixels, or None where images keep theirs."""
        if self.size is None:
            return None
        height, width = self.size.split("x")
        return int(height), int(width)


class UploadOptions(ImageFileOptions):
    """Options of a data set's upload."""

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$", description=f"The data set's name: {NAME_RULE}.")]


class JoinOptions(Options):
    """Which shards are to be joined."""

    count: Annotated[int, Field(ge=1, le=MOST_SHARDS)]
    """How many there are, so that one that was lost on its way is missed. Their numbers are 0 to count - 1."""


class SampleOptions(Seeded):
    """Which images of a data set to return."""

    rows: Annotated[str, Field(pattern=r"^[0-9]{1,7}(,[0-9]{1,7}){0,255}$")] | None = None
    """These rows of the data set, such as 3,14,15: at most 256. The other options are then ignored."""
    count: Annotated[int, Field(ge=1, le=256)] = 16
    """How many images to choose at random, each at most once; you get fewer if there are no more."""
    part: Literal["train", "validation", "test"] = "test"
    """Which part of the data set to choose from."""
    label: Annotated[str, Field(max_length=100)] | None = None
    """Only images of this label."""


class ProjectionOptions(Options):
    """Which projection to return, and how much of it."""

    method: Literal["pca", "umap"] = "pca"
    """`pca` is the plane of most variance. `umap` is there for models trained where umap-learn is installed."""
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1000
    """Most points to return. If there are more images, this many are chosen at random, the same ones each time."""


class Projection(BaseModel):
    """A model's training images on a plane. Fields that the method does not have are null."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    points: list[list[float]]
    """Each image's place; for PCA `components @ (latent - mean)`."""
    rows: list[int]
    """Each image's row in the data set."""
    labels: list[str | None] | None
    """Each image's label, null for an image without one; null in all where no image has one."""
    mean: list[float] | None = None
    """PCA: the mean of the latents, [latent_dim]."""
    components: list[list[float]] | None = None
    """PCA: the two directions of the plane, [2, latent_dim], the wider first. They place any other latent too."""
    explained: list[float] | None = None
    """PCA: how much of the latents' variance lies along each of the two, 0 to 1."""
    latents: list[list[float]] | None = None
    """UMAP: each image's latent, [latent_dim]. Place another latent near the points of the latents nearest to it."""


class DamagedName(BaseModel):
    """What is stored under a name and cannot be read."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    """The name."""
    detail: str
    """Why it cannot be read, and what to do."""


Figure = Literal["reconstructions", "interpolations", "generation", "accuracy-by-labels", "gain-by-copies", "quality"]


class ResultOptions(LayoutOptions):
    """Options of a job's result."""

    figure: Figure | None = None
    """Return one of an evaluation's further figures, as PNG: the paper's figures 2, 3 and 7 from its first VAE, or its
    curves beside the evaluations named in `beside`. Of an augment job, `quality` returns its report on the new images:
    the best, the worst and the most copied as PNG, or all numbers as JSON."""
    shard: Annotated[int, Field(ge=0, lt=MOST_SHARDS)] | None = None
    """Which file of a label job's images to return, where there are so many that they are in several: 0 up to the
    `shards` of its result."""


class JobFilter(Options):
    """Which jobs to list."""

    kind: Kind | None = None
    """Only jobs of this kind."""
    status: Status | None = None
    """Only jobs in this state."""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """Most jobs on one page."""
    cursor: Annotated[str, Field(max_length=200)] | None = None
    """Where to go on: the `next` of the previous page."""


def read_options(schema: type[Chosen], request: Request, fields: Mapping[str, object]) -> Chosen:
    """Read options from the query string and the body's fields.

    Raises:
        InvalidInput: an unknown option, a value out of range, or an option that is given twice.
    """
    if fields and media.is_json(request):
        _check_types(schema, fields)
    query = request.scope["query_string"]
    return _read_options(schema, query, fields) if fields else _read_query(schema, query)


@lru_cache(maxsize=128)
def _read_query(schema: type[Chosen], query: bytes) -> Chosen:
    """Options from the query string alone. They are frozen, and kept because callers send the same again and again."""
    return _read_options(schema, query, {})


def _read_options(schema: type[Chosen], query: bytes, fields: Mapping[str, object]) -> Chosen:
    given: dict[str, object] = dict(fields)
    for name, value in QueryParams(query).multi_items():
        if name in given:
            raise InvalidInput(f"{name[:40]!r} is given twice", fields=[(name[:40], "given twice")])
        given[name] = value
    return validate(schema, given)


def _refuse_options(request: Request) -> None:
    read_options(Options, request, {})


NoOptions = Depends(_refuse_options)
"""The dependency of an endpoint that takes no options."""


def validate(schema: type[Schema], given: object) -> Schema:
    """Check `given` against a schema.

    Raises:
        InvalidInput: it does not fit; one field entry for each fault.
    """
    try:
        return schema.model_validate(given)
    except ValidationError as error:
        raise invalid([field(schema, entry) for entry in error.errors(include_url=False)]) from error


def _check_types(schema: type[BaseModel], fields: Mapping[str, object]) -> None:
    """Refuse JSON values of another type, such as `"k": true`, although the same text in a query string is accepted.

    Whether options are missing, or do not fit together, shows only once those of the query string are added.
    """
    try:
        schema.model_validate(fields, strict=True)
    except ValidationError as error:
        wrong = [entry for entry in error.errors(include_url=False) if entry["loc"] and entry["type"] != "missing"]
        if wrong:
            raise invalid([field(schema, entry) for entry in wrong]) from error


def refuse_repeated(request: Request) -> None:
    """Refuse a query string that gives an option twice.

    Raises:
        InvalidInput: one is given twice.
    """
    names = [name for name, _ in QueryParams(request.scope["query_string"]).multi_items()]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"{name[:40]!r} is given twice", fields=[(name[:40], "given twice")])


Once = Depends(refuse_repeated)
"""The dependency of an endpoint that takes each option at most once."""


def invalid(fields: list[tuple[str, str]]) -> InvalidInput:
    """Return the error for one or more wrong fields, each with its place and what is wrong with it."""
    named = "; ".join(f"{location}: {message}" if location else message for location, message in fields[:5])
    return InvalidInput(named, fields=fields)


def field(schema: type[BaseModel], entry: ErrorDetails) -> tuple[str, str]:
    """The place and the words of one of pydantic's faults, found when a value was checked against a schema."""
    place, within, innermost = _walk(schema, entry)
    return ".".join(place), _message(entry, within, innermost)


def _walk(schema: type[BaseModel], entry: ErrorDetails) -> tuple[list[str], type[BaseModel], FieldInfo | None]:
    """The parts of a fault's place, the innermost schema around it, and the innermost field that it stands in.

    Where a field takes one thing or another, pydantic also names which of them it took the value for; that is left out.
    """
    place, field = list[str](), None
    for i, part in enumerate(entry["loc"]):
        known = schema.model_fields.get(part) if isinstance(part, str) else None
        is_unknown = i == len(entry["loc"]) - 1 and entry["type"] == "extra_forbidden"
        if isinstance(part, str) and known is None and field is not None and not is_unknown:
            continue
        place.append(str(part)[:40])
        if known is not None:
            schema, field = _schema_in(known.annotation) or schema, known
    return place, schema, field


def _message(entry: ErrorDetails, within: type[BaseModel], field: FieldInfo | None) -> str:
    if entry["type"] == "extra_forbidden":
        known = ", ".join(within.model_fields)
        return f"no such option; there are {known}" if known else "no such option; there are none here"
    if entry["type"] == "string_pattern_mismatch" and field is not None:  # in words, not as the pattern
        return f"has another form than it must. {field.description}"
    return str(entry["msg"]).removeprefix("Value error, ")


def _schema_in(annotation: object) -> type[BaseModel] | None:
    """The schema that a field takes, itself or in a list, if it takes one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _schema_in(part)) is not None), None)
