"""What a caller may ask of a job: parameters, ranges and defaults, the same for the API and the worker."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from latentaug.augment.counts import BALANCE, children_of_each
from latentaug.augment.rejection import FILTERS
from latentaug.evaluation.presets import PRESETS
from latentaug.runtime.jobs.record import Kind
from latentaug.storage.objects import NAME

Method = Literal["noise", "interpolation", "extrapolation"]
Classifier = Literal["svm", "knn", "mlp"]
Space = Literal["image", "latent"]
Decode = Literal["reconstruction", "residual"]
Comparator = Literal["duplication", "affine", "smote"]
Preset = Literal["verdict", "paper"]

DEFAULT_LATENT_DIMS = [20]

_T = TypeVar("_T")


def _name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError("use 1 to 64 letters, digits, '_' or '-', the first a letter or digit")
    return value


def _distinct(values: list[_T]) -> list[_T]:
    if len(set(values)) != len(values):
        raise ValueError("name each only once")
    return values


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Name = Annotated[str, AfterValidator(_name)]
JobId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
LatentDim = Annotated[int, Field(ge=1, le=512)]
_SOME = Field(min_length=1)
_Models = Annotated[list[Name], AfterValidator(_distinct), Field(min_length=1, max_length=16)]


class TrainingParams(BaseModel):
    """How a VAE is trained (paper section 3.1)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    dataset: Name
    """Name of a data set."""
    beta: float = Field(default=1.0, ge=0, le=1000, allow_inf_nan=False)
    """Weight of the divergence in the loss; 1 in the paper."""
    epochs: int = Field(default=100, ge=1, le=10_000)
    """Most passes over the training part."""
    patience: int = Field(default=5, ge=1, le=10_000)
    """Epochs without a better validation reconstruction after which training stops."""
    batch_size: int | None = Field(default=None, ge=1, le=65_536)
    """Images in one step. Default: 256, and down to 16 for small training parts."""
    learning_rate: float = Field(default=1e-3, gt=0, le=1)
    """Step size of Adam."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 trains faster where the processor has such arithmetic; weights and loss stay float32."""
    seed: Seed = 0
    """The same seed and data give the same result on the same machine; on a GPU up to rounding."""


class TrainParams(TrainingParams):
    """Parameters of a train job."""

    name: Name | None = None
    """Name of the model; by default `vae-` and the end of the job's id."""
    latent_dim: LatentDim = 20
    """Dimensions of the latent space."""


class AffineParams(BaseModel):
    """How far random affine copies go at most, each way."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    shift: float = Field(default=2 / 28, ge=0, le=0.5)
    """Share of each side; by default 2 pixels of MNIST's 28."""
    rotation: float = Field(default=10.0, ge=0, le=180)
    """Degrees."""
    scale: float = Field(default=0.1, ge=0, le=0.9)
    """Share of the size: 0.1 is a size of 0.9 to 1.1."""


class EvaluateParams(TrainingParams):
    """Parameters of an evaluate job: the protocol of the paper's section 4, and how its VAEs are trained."""

    protocol: Preset = "verdict"
    """"verdict": the defaults below. "paper": other defaults, those of its section 4: `decode` reconstruction, `spaces`
    image, no `comparators`, `combine` and `tune` false. What is given beside it holds in both."""
    model: Annotated[_Models, BeforeValidator(_as_list)] | None = None
    """A model trained on this data set, or a list of several of different latent dimensions, used instead of training
    one for each latent dimension."""
    latent_dims: Annotated[list[LatentDim], AfterValidator(_distinct), Field(max_length=16)] | None = None
    """Latent dimensions; one VAE is trained for each. Default: 20, or the model's own."""
    labelled: int | None = Field(default=None, ge=1)
    """Labelled images in each draw; null for the whole training part."""
    draws: int = Field(default=10, ge=1, le=100)
    """Times the labelled images are drawn; each draw gives every arm the same images."""
    methods: Annotated[list[Method], AfterValidator(_distinct), _SOME] = ["noise", "interpolation", "extrapolation"]
    """How latents are altered."""
    alpha: float = Field(default=0.5, ge=0, le=10, allow_inf_nan=False)
    """How far (equations 8 to 10); at most 1 for interpolation."""
    k: int = Field(default=3, ge=1, le=64)
    """Nearest neighbours of the same label, and new samples per image."""
    classifiers: Annotated[list[Classifier], AfterValidator(_distinct), _SOME] = ["svm", "knn", "mlp"]
    """Which classifiers are measured."""
    spaces: Annotated[list[Space], AfterValidator(_distinct), _SOME] = ["image", "latent"]
    """Where the classifiers work: on pixels or on latents."""
    decode: Annotated[list[Decode], BeforeValidator(_as_list), AfterValidator(_distinct), _SOME] = ["residual"]
    """How altered latents become images: one name, or a list to compare both."""
    comparators: Annotated[list[Comparator], AfterValidator(_distinct)] = ["duplication", "affine", "smote"]
    """Plain augmentations to compare with: the same images again, affine copies, SMOTE on pixels."""
    affine: AffineParams = AffineParams()
    """How far affine copies go."""
    combine: bool = True
    """Whether to measure also k affine copies together with k samples of each method, and of interpolation and
    extrapolation both."""
    beside: Annotated[list[JobId], AfterValidator(_distinct), Field(max_length=32)] = []
    """Ids of earlier evaluations of this data set, to be drawn with this one in its figures `accuracy-by-labels` and
    `gain-by-copies`, where they differ in `labelled` or in `k`."""
    tune: bool = True
    """Whether classifiers are tuned on each draw, inside the labelled images."""

    @model_validator(mode="before")
    @classmethod
    def _one_origin_of_vaes(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if data.get("model") is None and data.get("latent_dims") is None:
            return {**data, "latent_dims": DEFAULT_LATENT_DIMS}
        return data

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_preset(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        preset = data.get("protocol")
        return {**PRESETS[preset], **data} if isinstance(preset, str) and preset in PRESETS else data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.model is not None and self.latent_dims is not None:
            raise ValueError("give model or latent_dims, not both: a model has its own latent dimension")
        if self.latent_dims == []:
            raise ValueError("latent_dims is empty: give at least one, or a model")
        _check_alpha(self.alpha, self.methods)
        return self


class CountParams(BaseModel):
    """Exact numbers of new images, and which of them to turn away; of augment requests and jobs alike."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    per_image: int | None = Field(default=None, ge=1, le=1000)
    """New images of each image, whatever k; beyond k its neighbours serve again, with a smaller step."""
    per_class: int | None = Field(default=None, ge=1, le=10_000_000)
    """New images of each class, every image of it serving evenly."""
    balance: Annotated[str, Field(pattern=f"^({BALANCE})$")] | None = None
    """New images until each class has as many in all: `majority` (the largest class), `mean`, or a number."""
    reject_label: bool = False
    """Turn away new images to which the nearest real ones give another label."""
    reject_copies: bool = False
    """Turn away new images that hardly differ from their source."""
    reject_off_manifold: bool = False
    """Turn away new images that are far from every real one."""
    retries: int = Field(default=10, ge=0, le=100)
    """Further rounds in which to make what was turned away; what then lacks is counted as missing."""

    @model_validator(mode="after")
    def _one_way_of_counting(self) -> Self:
        given = [name for name in ("per_image", "per_class", "balance") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} exclude each other: give one")
        if given and getattr(self, "copies", None) is not None:
            raise ValueError(f"copies and {given[0]} exclude each other: give one")
        return self

    @property
    def filters(self) -> tuple[str, ...]:
        """Which of `filters.FILTERS` are on."""
        return tuple(name for name in FILTERS if getattr(self, f"reject_{name}"))

    def counts(self, n: int, labels: NDArray[np.int64] | None, otherwise: int) -> NDArray[np.int64] | None:
        """Children of each of n images, int64 [n]; None where neither counts nor filters are asked for.

        Args:
            n: images.
            labels: int64 [n], or None.
            otherwise: children of each where only filters are asked for.

        Raises:
            InvalidInput: counts by class without labels.
        """
        if self.per_class is None and self.balance is None:
            if self.per_image is None and not self.filters:
                return None
            return children_of_each(n, labels, per_image=self.per_image or otherwise)
        return children_of_each(n, labels, per_class=self.per_class, balance=self.balance)


class AlterParams(BaseModel):
    """What an augment job alters, and how."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    dataset: Name
    """Name of a data set; its training part is augmented."""
    model: Name
    """Name of the model that encodes and decodes."""
    method: Method = "interpolation"
    """How latents are altered."""
    alpha: float = Field(default=0.5, ge=0, le=10, allow_inf_nan=False)
    """How far (equations 8 to 10); at most 1 for interpolation."""
    k: int = Field(default=3, ge=1, le=64)
    """Nearest neighbours of the same label, and new images per image."""
    copies: int | None = Field(default=None, ge=1, le=64)
    """New images per image, for noise only. Default: k."""
    decode: Decode = "reconstruction"
    """How altered latents become images."""
    seed: Seed = 0
    """The same seed gives the same images."""


class AugmentParams(CountParams, AlterParams):
    """Parameters of an augment job: a data set's whole training part, augmented."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_alpha(self.alpha, [self.method])
        if self.copies is not None and self.method != "noise":
            raise ValueError(f"copies belongs to noise; {self.method} makes k images per image")
        return self


PARAMS: dict[Kind, type[TrainParams | EvaluateParams | AugmentParams]] = {
    "train": TrainParams,
    "evaluate": EvaluateParams,
    "augment": AugmentParams,
}


def _check_alpha(alpha: float, methods: list[Method]) -> None:
    if alpha > 1 and "interpolation" in methods:
        raise ValueError("alpha must be at most 1 for interpolation: beyond the neighbour it would be extrapolation")
