"""Every option of the service, once: its name, its default, its bounds and what it means.

The API's query strings and bodies, the Open Inference Protocol's parameters, the engine, the jobs, the page (through
/openapi.json), the command line's help and docs/options.md all take them from here. A test fails where a second default
appears.

    Altering            how latents become new ones (equations 8 to 10), and how those become images
    Rejecting           which new images to turn away
    Counting            exact numbers of new images
    RenderingOptions    what the model server is asked: Altering and Rejecting
    AugmentOptions      what one request is asked
    AugmentParams       what an augment job is asked
    TrainingOptions     how a VAE is trained; TrainParams is a train job
    Design       what an evaluation measures; EvaluateParams is an evaluate job
    LabelOptions        how labels are spread; LabelRequest is a request, LabelParams a label job
    Recipe       how a training set is made; RecommendParams is a job that looks for the best one
    Notifying           who is told that a job has ended
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from latentaug.addresses import on_loopback

Method = Literal["noise", "interpolation", "extrapolation"]
ArchitectureName = Literal["paper", "residual"]
Precision = Literal["float32", "bfloat16"]
Decode = Literal["reconstruction", "residual", "warp"]
AskedDecode = Literal["auto", Decode]
Neighbours = Literal["batch", "dataset"]
Classifier = Literal["svm", "knn", "mlp", "cnn"]
Space = Literal["image", "latent"]
LabelSpace = Literal["auto", "latent", "pixels"]
Comparator = Literal[
    "duplication", "affine", "smote", "elastic", "trivial", "spread_pixels", "self_training", "mixup", "cutmix"
]
Mixing = Literal["mixup", "cutmix"]
Preset = Literal["verdict", "paper"]
Filter = Literal["label", "copies", "off_manifold"]
Converted = Literal["huggingface", "webdataset", "yolo"]
Layout = Literal["folders", Converted]
UsedBits = Literal[8, 10, 12, 14, 16]

METHODS: tuple[Method, ...] = get_args(Method)
TOWARDS_NEIGHBOURS: tuple[Method, ...] = tuple(method for method in METHODS if method != "noise")
"""The methods that move an image along the line to a neighbour."""
DECODES: tuple[Decode, ...] = get_args(Decode)
CLASSIFIERS: tuple[Classifier, ...] = get_args(Classifier)
DEFAULT_CLASSIFIERS: list[Classifier] = ["svm", "knn", "mlp"]
IMAGE_CLASSIFIERS: tuple[Classifier, ...] = ("cnn",)
"""Those that see where pixels are, and so work in image space alone."""
SPACES: tuple[Space, ...] = get_args(Space)
COMPARATORS: tuple[Comparator, ...] = get_args(Comparator)
DEFAULT_COMPARATORS: list[Comparator] = ["duplication", "affine", "smote"]
POOL_COMPARATORS: tuple[Comparator, ...] = ("spread_pixels", "self_training")
"""Those that label images of the pool, and make none."""
MIXINGS: tuple[Mixing, ...] = get_args(Mixing)
"""The comparators that mix the batches of a classifier of images while it learns, and make no image."""
FILTERS: tuple[Filter, ...] = get_args(Filter)
BITS: tuple[UsedBits, ...] = get_args(UsedBits)
"""How many bits of a 16-bit value may be in use."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What can name a model, a data set or a job."""
NAME_RULE = "use 1 to 64 letters, digits, '_' or '-', the first a letter or digit"
BALANCE = r"majority|mean|[1-9][0-9]{0,6}"
"""What `balance` may be: the largest class's size, the mean size, or a number."""

MAX_LATENT_DIM = 512
MAX_ALPHA = 10.0
MAX_K = 64
MAX_RETRIES = 100

_T = TypeVar("_T")


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(NAME_RULE)
    return value


def _distinct(values: list[_T]) -> list[_T]:
    if len(set(values)) != len(values):
        raise ValueError("name each only once")
    return values


def _as_list(value: object) -> object:
    """One name, or a tuple of them, as a list."""
    return [value] if isinstance(value, str) else list(value) if isinstance(value, tuple) else value


def _webhook(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise ValueError("is not a URL; write one such as https://example.org/ended") from error
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("is not a URL; write one such as https://example.org/ended")
    if parts.scheme != "https" and not (parts.scheme == "http" and on_loopback(host)):
        raise ValueError("must begin with https://; http:// is for this machine itself alone")
    if parts.username is not None or parts.fragment:
        raise ValueError("leave out user, password and fragment; the signature tells the receiver who sends")
    return url


def _number(value: object) -> object:
    """A number that a query string has as text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


_LISTED, _DISTINCT, _SOME = BeforeValidator(_as_list), AfterValidator(_distinct), Field(min_length=1)

Name = Annotated[str, AfterValidator(_name)]
JobId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Bits = Annotated[UsedBits, BeforeValidator(_number)]
LatentDim = Annotated[int, Field(ge=1, le=MAX_LATENT_DIM)]
Webhook = Annotated[str, Field(max_length=2000), AfterValidator(_webhook)]
Models = Annotated[list[Name], _DISTINCT, Field(min_length=1, max_length=16)]


class Options(BaseModel):
    """Options that something takes; any other is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Seeded(Options):
    """What chance decides."""

    seed: Seed = 0
    """Seed of all random numbers; the same seed and input give the same result on the same machine, on a GPU up to
    rounding."""


class Notifying(Options):
    """Who is told that a job has ended."""

    webhook: Webhook | None = None
    """An https address (http on the service's own machine) that gets the job's record by POST once the job has ended,
    however it ended. It is signed by the Standard Webhooks scheme. Default: nobody is told."""


NOTIFYING = frozenset(Notifying.model_fields)
"""Parameters of a job that say nothing of its work, and stand in none of its results."""


class Strength(Seeded):
    """How far new images lie from their sources, and among how many neighbours."""

    alpha: float = Field(default=0.5, ge=0, le=MAX_ALPHA, allow_inf_nan=False)
    """How far a new image goes from its source: 0 stays there. Interpolation takes at most 1, which goes all the way to
    the neighbour."""
    k: int = Field(default=3, ge=1, le=MAX_K)
    """How many nearest neighbours of the same label serve each image; each gives one new image."""


class Altering(Strength):
    """How latents become new ones, and how those become images."""

    method: Method = "interpolation"
    """Noise z + alpha N(0, sigma); interpolation z + alpha (z_k - z); extrapolation z + alpha (z - z_k)."""
    copies: int | None = Field(default=None, ge=1, le=MAX_K)
    """New images of each image, for noise only. Default: as many as k."""
    decode: AskedDecode = "auto"
    """`reconstruction` gives the decoder's image; `residual` gives the source plus the change that the decoder makes,
    which is sharper; `auto` takes residual where the model's reconstructions of held-out images lose detail, else
    reconstruction, and the answer names what was taken; `warp` moves the source's own pixels towards or away from the
    neighbour's, which is sharpest and takes longest."""

    @model_validator(mode="after")
    def _fits_the_method(self) -> Self:
        if self.copies is not None and self.method != "noise":
            raise ValueError(f"copies is for noise only; {self.method} makes k new images of each image")
        if self.decode == "warp" and self.method == "noise":
            raise ValueError("decode=warp moves an image towards a neighbour, and noise has none; take another method")
        _check_alpha(self.alpha, [self.method])
        return self

    @property
    def children(self) -> int:
        """New images of each image, where no exact numbers are asked for."""
        return self.copies if self.copies is not None else self.k


class Rejecting(Options):
    """Which new images to turn away."""

    reject_label: bool = False
    """Turn away new images to which the nearest real ones give another label."""
    reject_copies: bool = False
    """Turn away new images that hardly differ from their source."""
    reject_off_manifold: bool = False
    """Turn away new images that are far from every real one."""
    retries: int = Field(default=10, ge=0, le=MAX_RETRIES)
    """Further rounds in which to make again what was turned away; what still lacks then is counted as missing."""

    @property
    def filters(self) -> tuple[Filter, ...]:
        """Which of `FILTERS` are on."""
        return tuple(name for name in FILTERS if getattr(self, f"reject_{name}"))


class Counting(Rejecting):
    """Exact numbers of new images."""

    per_image: int | None = Field(default=None, ge=1, le=1000)
    """New images of each image, whatever k is; beyond k its neighbours serve again, each time a shorter way."""
    per_class: int | None = Field(default=None, ge=1, le=10_000_000)
    """New images of each class, to which every image of the class gives evenly."""
    balance: Annotated[str, Field(pattern=f"^({BALANCE})$")] | None = None
    """New images until each class has as many in all: `majority` (the largest class), `mean`, or a number."""

    @model_validator(mode="after")
    def _one_way_of_counting(self) -> Self:
        given = [name for name in ("per_image", "per_class", "balance") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other: give one")
        if given and getattr(self, "copies", None) is not None:
            raise ValueError(f"copies and {given[0]} exclude each other: give one")
        return self


class Searching(Altering):
    """How latents become new ones, and where neighbours are looked for."""

    neighbours: Neighbours = "batch"
    """Look for neighbours among the request's images (`batch`), or in the data set that the model was trained on."""

    @model_validator(mode="after")
    def _has_the_neighbours_pixels(self) -> Self:
        if self.decode == "warp" and self.neighbours == "dataset":
            raise ValueError("decode=warp needs the neighbours' pixels; take neighbours=batch, or an augment job")
        return self


class RenderingOptions(Searching, Rejecting):
    """What the model server's augment operation takes."""


class ImageOptions(Options):
    """Options of encode, and of quality."""

    resize: bool = False
    """Resize images of another size than the model's (bicubic, aspect kept, padded) instead of refusing them."""
    bits: Bits | None = None
    """How many bits the values of 16-bit image files use. Default: as few as hold the largest value of them all."""


class LatentOptions(Options):
    """Options of decode: none."""


class InterpolateOptions(ImageOptions):
    """Options of interpolate."""

    steps: int = Field(default=8, ge=2, le=64)
    """Images in the strip, both ends among them."""
    decode: Literal["auto", "reconstruction", "residual"] = "reconstruction"
    """`reconstruction` gives the decoder's images, as in the paper; `residual` adds what the decoder loses of the two
    ends, which is sharper, and the ends are the images themselves; `auto` takes residual where the model's
    reconstructions of held-out images lose detail."""


class AugmentOptions(Searching, ImageOptions, Counting):
    """Options of augment. The answer depends on nothing but the images, the labels and these."""


Source = Literal["affine", "elastic", "warp", "noise", "interpolation", "extrapolation"]
SOURCES: tuple[Source, ...] = get_args(Source)


class Spreading(Options):
    """How labels are spread over unlabelled images, and how many of these are taken into a training set."""

    model_config = ConfigDict(strict=True)

    space: LabelSpace = "auto"
    """Where images count as alike: in the VAE's latent space, on their pixels, or wherever the labels of left-out
    labelled images come out better (`auto`)."""
    keep: float | None = Field(default=None, ge=0, le=1)
    """Share of the unlabelled images to keep, the surest first. Default: all that are like a labelled one."""
    images: int | None = Field(default=None, ge=1, le=10_000_000)
    """Newly labelled images to take, drawn at random from those that are kept. Default: all of them."""


class Part(Options):
    """One kind of new images in a training set."""

    model_config = ConfigDict(strict=True)

    source: Source
    """What makes the new images: affine or elastic copies; `warp`, affine copies of the image moved a random share of
    the way towards a near one of its class; or the VAE by one of its methods."""
    copies: int = Field(default=1, ge=1, le=1000)
    """New images of each labelled and newly labelled image."""
    alpha: float | None = Field(default=None, ge=0, le=MAX_ALPHA, allow_inf_nan=False)
    """How far a new image goes, for the VAE's methods. Default: 0.5."""
    decode: Decode | None = None
    """How the VAE's latents become images. Default: residual."""

    @model_validator(mode="after")
    def _fits_the_source(self) -> Self:
        if self.source not in METHODS and self.decode is not None:
            raise ValueError(f"decode is for the VAE's methods; {self.source} decodes nothing")
        if self.source not in METHODS and self.alpha is not None:
            raise ValueError(f"alpha is for the VAE's methods; {self.source} copies have none")
        if self.alpha is not None and self.source == "interpolation":
            _check_alpha(self.alpha, ["interpolation"])
        return self


class Recipe(Options):
    """How a training set is made: the labelled images, others with spread labels, and new images of both."""

    model_config = ConfigDict(strict=True)

    model: Name | None = None
    """Name of the model that spreads labels in its latent space and makes the VAE's images. Default: none is used."""
    spread: Spreading | None = None
    """How labels are spread over unlabelled images. Default: unlabelled images are left out."""
    parts: Annotated[list[Part], Field(max_length=8)] = []
    """Kinds of new images, each made of every labelled and newly labelled image."""
    seed: Seed = 0
    """Seed of all random numbers; the same recipe and images give the same training set on the same machine."""

    @model_validator(mode="after")
    def _has_a_model_where_it_needs_one(self) -> Self:
        needing = [part.source for part in self.parts if part.source in METHODS]
        if self.model is None and needing:
            raise ValueError(f"{needing[0]} is made by a VAE; name a model in the recipe")
        if self.model is None and self.spread is not None and self.spread.space == "latent":
            raise ValueError("labels are spread in a VAE's latent space; name a model in the recipe, or use pixels")
        return self

    @property
    def growth(self) -> int:
        """How many times as large the training set is as the labelled and newly labelled images alone."""
        return 1 + sum(part.copies for part in self.parts)


RecipeOrJob = Annotated[
    Annotated[Recipe, Tag("object")] | Annotated[JobId, Tag("job")],
    Discriminator(lambda given: "job" if isinstance(given, str) else "object"),
]


class AugmentParams(Notifying, Counting, Altering):
    """Parameters of an augment job: the training part of a data set, or all of it, is augmented or made by a recipe."""

    model_config = ConfigDict(strict=True)

    recipe: RecipeOrJob | None = None
    """A recipe, or the id of a recommend job that has succeeded: the whole training set that it describes is made.
    It has a model and a seed of its own, so nothing but the data set is given beside it."""
    whole: bool = False
    """Take all images of the data set, those of the validation and test parts too, where nothing is to be measured with
    the result."""
    dataset: Name
    """Name of a data set; its training part is augmented."""
    model: Name | None = Field(default=None, validate_default=True)
    """Name of the model that encodes and decodes. Required without a recipe."""

    @field_validator("model")
    @classmethod
    def _is_needed_without_a_recipe(cls, model: Name | None, info: ValidationInfo) -> Name | None:
        if model is None and info.data.get("recipe") is None and "recipe" in info.data:
            raise ValueError("name a model, or give a recipe, which names its own")
        return model

    @model_validator(mode="after")
    def _a_recipe_says_all(self) -> Self:
        if self.recipe is None:
            return self
        apart = {"dataset", "recipe", "whole", "webhook"}
        others = [
            name
            for name, field in type(self).model_fields.items()
            if name not in apart and getattr(self, name) != field.default
        ]
        if others:
            raise ValueError(f"a recipe says how everything is made; leave out {', '.join(others)}, or the recipe")
        return self


class TrainingOptions(Seeded):
    """How a VAE is trained (paper section 3.1)."""

    model_config = ConfigDict(strict=True)

    architecture: Literal["auto", ArchitectureName] = "auto"
    """The network: `paper` is the paper's, made for small grey images; `residual` is for photos. `auto` takes the
    paper's for grey images of at most 32 pixels a side, and the residual network for all others."""
    epochs: int | None = Field(default=None, ge=1, le=10_000)
    """Most passes over the training part. Default: 100; for the residual network as many as take a few minutes on two
    processor cores, from 3 to 100."""
    max_seconds: float | None = Field(default=None, gt=0, le=864_000, allow_inf_nan=False)
    """Most seconds of training: it ends with the last epoch that is likely to fit, but not before the first. Where time
    decides when training ends, the same seed need not give the same model. Default: no limit."""
    patience: int = Field(default=5, ge=1, le=10_000)
    """Epochs without a better validation reconstruction after which training stops. For the residual network better
    means a mean squared error that is lower by at least 1 %."""
    batch_size: int | None = Field(default=None, ge=1, le=65_536)
    """Images in one step, all of them where there are fewer. Default: 256, and down to 16 for small training parts, so
    that an epoch has about 32 steps; for the residual network at most 32."""
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    """Learning rate of Adam."""
    beta: float | None = Field(default=None, ge=0, le=1000, allow_inf_nan=False)
    """Weight of the divergence in the loss; 1 in the paper. Default: 1; with the paper's network less for images of
    fewer than 28x28 values, in proportion, for they have less to reconstruct."""
    precision: Literal["auto", Precision] = "auto"
    """Number format of the network's products; weights and loss are always float32. `bfloat16` trains faster where the
    processor has such arithmetic, and slower where not. `auto` takes it there, for images of 28x28 values or more, and
    `float32` everywhere else and on a GPU."""


class TrainParams(Notifying, TrainingOptions):
    """Parameters of a train job."""

    dataset: Name
    """Name of a data set."""
    name: Name | None = None
    """Name of the model. Default: `vae-` and the end of the job's id."""
    latent_dim: LatentDim | None = None
    """Dimensions of the latent space. Default: 20 for the paper's network, 128 for the residual network."""


class AffineRanges(Options):
    """How far random affine copies go at most, each way."""

    model_config = ConfigDict(strict=True)

    shift: float = Field(default=2 / 28, ge=0, le=0.5)
    """Share of each side; by default 2 pixels of MNIST's 28."""
    rotation: float = Field(default=10.0, ge=0, le=180)
    """Degrees."""
    scale: float = Field(default=0.1, ge=0, le=0.9)
    """Share of the size: 0.1 is a size of 0.9 to 1.1."""
    shear: float = Field(default=0.0, ge=0, le=45)
    """Degrees by which upright lines are slanted; 0, as it always was, slants none."""


class Design(Strength):
    """What an evaluation measures (paper section 4)."""

    model_config = ConfigDict(strict=True)

    labelled: int | None = Field(default=None, ge=1)
    """Number of labelled images in each draw. Default: the whole training part."""
    draws: int = Field(default=10, ge=1, le=100)
    """How many times the labelled images are drawn; fewer draws give wider intervals. Each draw gives every arm the
    same images."""
    methods: Annotated[list[Method], _LISTED, _DISTINCT, _SOME] = [*METHODS]
    """How latents are altered."""
    classifiers: Annotated[list[Classifier], _LISTED, _DISTINCT, _SOME] = [*DEFAULT_CLASSIFIERS]
    """Which classifiers are measured. The CNN, for photos, is measured on pixels alone; it takes the longest by
    far, unless there is a GPU."""
    spaces: Annotated[list[Space], _LISTED, _DISTINCT, _SOME] = [*SPACES]
    """Where the classifiers work: on pixels (`image`) or on latents."""
    decode: Annotated[list[Decode], _LISTED, _DISTINCT, _SOME] = ["residual"]
    """How altered latents become images: one name, or a list to compare several. `warp` is not for noise, which has no
    neighbour, and is left out there."""
    comparators: Annotated[list[Comparator], _LISTED, _DISTINCT] = [*DEFAULT_COMPARATORS]
    """What to compare with. New images by plain means: the same images again, affine copies, SMOTE on pixels, elastic
    distortion, TrivialAugment. Labels for as many images of the pool as `pool_images` says: scikit-learn's label
    spreading on pixels (`spread_pixels`), and an SVM's own answers of which it is surest (`self_training`). For the CNN
    alone: its batches mixed while it learns, by `mixup` or by CutMix (`cutmix`); other classifiers go without."""
    pool_images: int = Field(default=0, ge=0, le=100_000)
    """Number of images of the pool that get labels and join each draw's labelled ones, with and without affine copies;
    0 leaves the pool alone. The pool of a draw is the training images that are not labelled in it."""
    affine: AffineRanges = AffineRanges()
    """How far affine copies go."""
    combine: bool = True
    """Whether to measure also k affine copies together with k images of each method, and of interpolation and
    extrapolation both."""
    tune: bool = True
    """Whether classifiers are tuned on each draw, inside the labelled images."""

    @model_validator(mode="after")
    def _alpha_fits(self) -> Self:
        _check_alpha(self.alpha, self.methods)
        return self

    @model_validator(mode="after")
    def _can_be_decoded(self) -> Self:
        if self.decode == ["warp"] and self.methods == ["noise"]:
            raise ValueError(
                "decode=warp moves an image towards a neighbour, and noise has none; add another of either"
            )
        return self

    @model_validator(mode="after")
    def _pool_fits(self) -> Self:
        asked = [name for name in self.comparators if name in POOL_COMPARATORS]
        if asked and self.pool_images == 0:
            raise ValueError(f"{' and '.join(asked)} label images of the pool; set pool_images to 1 or more")
        return self

    @model_validator(mode="after")
    def _fits_the_cnn(self) -> Self:
        seeing = [name for name in self.classifiers if name in IMAGE_CLASSIFIERS]
        if seeing and "image" not in self.spaces:
            raise ValueError("the CNN works on pixels; add image to spaces, or leave cnn out of classifiers")
        mixing = [name for name in self.comparators if name in MIXINGS]
        if mixing and not seeing:
            raise ValueError(f"{' and '.join(mixing)} mix the batches of the CNN; add cnn to classifiers")
        return self


PRESETS: dict[str, dict[str, Any]] = {
    "verdict": {},
    "paper": {"decode": ["reconstruction"], "spaces": ["image"], "comparators": [], "combine": False, "tune": False},
}
"""What differs from the defaults of `Design`, by the name of a preset.

The verdict's are the defaults: tuned classifiers, every comparator. The paper's are those of its section 4, which
compares untuned classifiers with none but their baseline, in image space.
"""


class EvaluateParams(Notifying, Design, TrainingOptions):
    """Parameters of an evaluate job: what is measured, and how its VAEs are trained."""

    model_config = ConfigDict(strict=True)

    dataset: Name
    """Name of a data set with labels."""
    protocol: Preset = "verdict"
    """`verdict` takes the defaults named here. `paper` takes those of the paper's section 4: `decode` reconstruction,
    `spaces` image, no `comparators`, `combine` and `tune` false. An option that you set yourself wins over either."""
    model: Annotated[Models, _LISTED] | None = None
    """A model trained on this data set, or a list of several with different latent dimensions, used instead of training
    one for each latent dimension."""
    latent_dims: Annotated[list[LatentDim], _DISTINCT, Field(max_length=16)] | None = None
    """Latent dimensions; one VAE is trained for each. Default: the model's own; without a model 20 for the paper's
    network, 128 for the residual network."""
    beside: Annotated[list[JobId], _DISTINCT, Field(max_length=32)] = []
    """Ids of earlier evaluations of this data set, to be drawn with this one in its figures `accuracy-by-labels` and
    `gain-by-copies`, where they differ in `labelled` or in `k`."""

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        preset = data.get("protocol")
        return {**PRESETS[preset], **data} if isinstance(preset, str) and preset in PRESETS else data

    @model_validator(mode="after")
    def _one_origin_of_vaes(self) -> Self:
        if self.model is not None and self.latent_dims is not None:
            raise ValueError("give model or latent_dims, not both: a model has its own latent dimension")
        if self.latent_dims == []:
            raise ValueError("latent_dims is empty: give at least one, or a model")
        return self


class RecommendParams(Notifying, Seeded):
    """Parameters of a recommend job: it looks for the training set that serves classifiers best."""

    model_config = ConfigDict(strict=True)

    dataset: Name
    """Name of a data set with labelled images; the unlabelled ones among its training images are put to use."""
    model: Name | None = None
    """Name of a model trained on this data set. Without one, nothing that needs a VAE is tried."""
    classifiers: Annotated[list[Classifier], _LISTED, _DISTINCT, _SOME] = ["svm", "knn"]
    """Which classifiers the training set is to serve. The MLP and the CNN take the longest by far."""
    labelled: int | None = Field(default=None, ge=2)
    """Number of images that count as labelled; all other training images then count as unlabelled, and the winner is
    measured on fresh draws of as many. Default: all labelled images."""
    budget_seconds: float = Field(default=180.0, ge=1, le=86_400, allow_inf_nan=False)
    """Seconds that the search and the measurement may take together; more time compares more, and measures more draws.
    What is needed at least is done in any case: spreading the labels, and one draw."""


def most_alpha(method: Method) -> float:
    """The most that alpha may be: interpolation ends at the neighbour."""
    return 1.0 if method == "interpolation" else MAX_ALPHA


def _check_alpha(alpha: float, methods: list[Method]) -> None:
    for method in methods:
        if alpha > most_alpha(method):
            raise ValueError(
                f"alpha must be at most {most_alpha(method):g} for {method}; use extrapolation to go further"
            )


class LayoutOptions(Options):
    """How the images of a job are laid out."""

    layout: Layout = "folders"
    """How the images of an augment or label job are laid out. `folders`: a zip of class folders. `huggingface`: a
    parquet file whose rows hold an image, its label and where it comes from. `webdataset`: a tar. `yolo`: a zip of the
    folders `train`, `val` and `test` for classification; the last two hold the data set's own images."""


class LabelOptions(Seeded):
    """How labels are spread over unlabelled images."""

    space: LabelSpace = "auto"
    """Where neighbours are looked for: in latent space, among pixels, or, with `auto`, wherever more of the labelled
    images are called right without their own labels."""
    keep: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    """Share of the newly labelled images to keep, surest first. Default: those more likely right than wrong, whose
    confidence is above 0.5."""
    per_class: bool = False
    """Whether to keep that share of each class by itself, so that none is left out for being harder than others."""


class LabelRequest(LabelOptions, ImageOptions):
    """Options of label, as a request."""


class LabelParams(Notifying, LabelOptions):
    """Parameters of a label job: labels are spread over a data set's unlabelled images."""

    model_config = ConfigDict(strict=True)

    dataset: Name
    """Name of a data set of which some images have labels and some have none."""
    model: Name
    """Name of the model whose latent space serves, best one that was trained on this data set."""
    whole: bool = False
    """Spread labels over all images of the data set, those of the validation and test parts too, where nothing is to be
    measured with the result."""
