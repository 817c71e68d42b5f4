"""The options of the calls, typed. Each may be left out; the service has the defaults, and says what does not fit."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

Method = Literal["noise", "interpolation", "extrapolation"]
Decode = Literal["reconstruction", "residual", "warp"]
AskedDecode = Literal["auto", Decode]


class Notifying(TypedDict, total=False):
    """Who is told that a job has ended."""

    webhook: str


class AugmentJobOptions(TypedDict, total=False):
    """Options of making new images, in `augment_dataset` and in `augment`."""

    method: Method
    alpha: float
    k: int
    copies: int
    decode: AskedDecode
    seed: int
    per_image: int
    per_class: int
    balance: str
    reject_label: bool
    reject_copies: bool
    reject_off_manifold: bool
    retries: int


class AugmentDatasetOptions(AugmentJobOptions, Notifying, total=False):
    """Options of `augment_dataset`: a recipe, or those of `AugmentJobOptions`."""

    recipe: dict[str, Any] | str
    whole: bool


class RecommendOptions(Notifying, total=False):
    """Options of `recommend`."""

    model: str
    classifiers: list[Literal["svm", "knn", "mlp", "cnn"]]
    labelled: int
    budget_seconds: float
    seed: int


class ImageOptions(TypedDict, total=False):
    """How images are read, in `encode`, `quality` and all other calls that take some."""

    resize: bool
    bits: int


class InterpolateOptions(ImageOptions, total=False):
    """Options of `interpolate`."""

    steps: int
    decode: Literal["auto", "reconstruction", "residual"]


class AugmentOptions(AugmentJobOptions, ImageOptions, total=False):
    """Options of `augment`."""

    neighbours: Literal["batch", "dataset"]


class SpreadingOptions(TypedDict, total=False):
    """Options of spreading labels, in `label_dataset` and in `label`."""

    space: Literal["auto", "latent", "pixels"]
    keep: float | None
    per_class: bool
    seed: int


class LabelJobOptions(SpreadingOptions, Notifying, total=False):
    """Options of `label_dataset`."""

    whole: bool


class LabelOptions(SpreadingOptions, ImageOptions, total=False):
    """Options of `label`."""


class TrainingOptions(TypedDict, total=False):
    """How a VAE is trained, in `train` and in `evaluate`."""

    architecture: Literal["auto", "paper", "residual"]
    max_seconds: float
    beta: float
    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    precision: Literal["auto", "float32", "bfloat16"]
    seed: int


class TrainOptions(TrainingOptions, Notifying, total=False):
    """Options of `train`."""

    name: str
    latent_dim: int


class EvaluateOptions(TrainingOptions, Notifying, total=False):
    """Options of `evaluate`."""

    protocol: Literal["verdict", "paper"]
    model: str | list[str]
    latent_dims: list[int]
    labelled: int | None
    draws: int
    methods: list[Method]
    alpha: float
    k: int
    classifiers: list[Literal["svm", "knn", "mlp", "cnn"]]
    spaces: list[Literal["image", "latent"]]
    decode: Decode | list[Decode]
    comparators: list[
        Literal[
            "duplication", "affine", "smote", "elastic", "trivial", "spread_pixels", "self_training", "mixup", "cutmix"
        ]
    ]
    pool_images: int
    affine: dict[str, float]
    combine: bool
    beside: list[str]
    tune: bool
