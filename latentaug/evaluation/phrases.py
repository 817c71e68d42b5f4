"""Arms, gains and accuracies in words that a person understands."""

from __future__ import annotations

from latentaug.evaluation.statistics import HARMS, HELPS, OVER_IMAGES, Gain
from latentaug.evaluation.summary import Row
from latentaug.evaluation.training_sets import BASELINE, parts_of

TITLES = {"svm": "SVM", "knn": "kNN", "mlp": "MLP", "cnn": "CNN"}

LABELLED_BY = {
    "spread": "label spreading",
    "spread_pixels": "scikit-learn's label spreading on pixels",
    "self_training": "self-training",
}
"""Ways to label images of the pool."""

_NAMES = {
    BASELINE: "no new images",
    "duplication": "the same images again",
    "affine": "affine copies",
    "smote": "SMOTE",
    "affine+affine": "affine copies x2",
    "affine+affine+affine": "affine copies x3",
    "elastic": "elastic copies",
    "trivial": "TrivialAugment",
    "mixup": "mixup in training",
    "cutmix": "CutMix in training",
    **{name: f"newly labelled images by {way}" for name, way in LABELLED_BY.items()},
    "spread+affine": "newly labelled images by label spreading, with an affine copy of each image",
}


def describe(row: Row) -> str:
    """An arm in words, such as "affine copies + interpolation (pixels, 20 dimensions, residual)"."""
    name = _NAMES.get(row.arm) or " + ".join(_NAMES.get(part, part) for part in parts_of(row.arm))
    return f"{name} ({place(row)})"


def place(row: Row) -> str:
    """What the classifier is given, such as "pixels" or "latents of 20 dimensions"."""
    if row.space == "latent":
        return f"latents of {row.latent_dim} dimensions"
    of_a_vae = [f"{row.latent_dim} dimensions"] if row.latent_dim else []
    return ", ".join(["pixels", *of_a_vae, *([row.decode] if row.decode else [])])


def recipe(row: Row, children: int) -> str:
    """What to add to each image, such as "9 affine copies" or "3 affine copies and 3 VAE images by interpolation".

    An arm of the pool adds to the training set instead: "newly labelled images by label spreading"; and one that mixes
    batches adds nothing: "mixup in training".

    Args:
        row: of any arm but the baseline.
        children: new samples for each image in each part of an arm.
    """
    if not row.for_each_image:
        return _NAMES[row.arm]
    made = "VAE latents" if row.space == "latent" else "VAE images"
    parts = parts_of(row.arm)
    *first, last = (_some(part, children * parts.count(part), made) for part in dict.fromkeys(parts))
    return " and ".join([*([", ".join(first)] if first else []), last])


def _some(part: str, number: int, made: str) -> str:
    one = number == 1
    match part:
        case "affine":
            return f"{number} affine {'copy' if one else 'copies'}"
        case "duplication":
            return f"{number} plain {'copy' if one else 'copies'}"
        case "elastic":
            return f"{number} elastic {'copy' if one else 'copies'}"
        case "trivial":
            return f"{number} {'copy' if one else 'copies'} by TrivialAugment"
        case "smote":
            return f"{number} SMOTE {'image' if one else 'images'}"
        case method:
            return f"{number} {made.removesuffix('s') if one else made} by {method}"


def points(gain: Gain) -> str:
    """A gain as tables have it, such as "+0.53 points (+0.21 to +0.85)"."""
    if gain.low is None or gain.high is None:
        return f"{signed(gain.mean)} points ({_without_interval(gain)}, no interval)"
    return f"{signed(gain.mean)} points ({signed(gain.low)} to {signed(gain.high)})"


def size(gain: Gain, most: float = 100.0, whose: str = "") -> str:
    """How much better or worse, without a sign, such as "2.1 points for kNN (95 % interval 0.2 to 4.3)".

    Args:
        gain: above or below 0.
        most: points that can be gained; an interval that goes beyond them is told only as far.
        whose: put after the points, such as " for kNN".
    """
    digits, sign = decimals(gain), 1.0 if gain.mean >= 0 else -1.0
    told = f"{abs(gain.mean):.{digits}f} points{whose}"
    if gain.low is None or gain.high is None:
        return told
    low, high = sorted(sign * min(end, most) for end in (gain.low, gain.high))
    return f"{told} (95 % interval {_plain(low, digits)} to {_plain(high, digits)})"


def unproven(gain: Gain) -> str:
    """Why a gain that is no more than likely is not told as one; its interval is of the gain alone."""
    alone = gain.low is not None and gain.high is not None and gain.low * gain.high > 0
    return "which is likely, but not proven" if alone else "which may be chance"


def beside_copies(copies: str, over: Gain, verdict: str | None) -> str:
    """How copies do beside an arm that is `over` points above them, or below. `copies` begins the sentence."""
    if verdict == HELPS:
        return f"{copies} do worse, by {size(over)}."
    if verdict == HARMS:
        return f"{copies} do better, by {size(over)}."
    if round(over.mean, 2) == 0:
        return f"{copies} do as well on average: the difference is {size(over)}."
    where = "behind" if over.mean >= 0 else "ahead"
    return f"{copies} may do as well: they are {size(over)} {where}, {unproven(over)}."


def change(row: Row, digits: int | None = None) -> str:
    """Accuracy without and with new images, such as "from 77.4 % to 79.3 %"."""
    if digits is None:
        digits = decimals(row.gain) if row.gain else 2
    return f"from {row.before:.{digits}f} % to {row.accuracy:.{digits}f} %"


def changed(row: Row) -> str:
    """What new images did, such as "changed accuracy from 77.4 % to 79.3 %"."""
    if row.gain and round(row.gain.mean, 2) == 0:
        return f"left accuracy at {row.before:.1f} %"
    return f"changed accuracy {change(row)}"


def decimals(gain: Gain) -> int:
    """One decimal, as a rule; two where one would round away what matters."""
    matters = [abs(value) for value in (gain.mean, gain.low, gain.high) if value is not None]
    return 1 if abs(gain.mean) >= 1 and min(matters) >= 0.1 else 2


def signed(value: float) -> str:
    """Two decimals and a sign, with no minus before a zero."""
    return f"{round(value, 2) + 0.0:+.2f}"


def _plain(value: float, digits: int) -> str:
    """With no minus before a zero."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _without_interval(gain: Gain) -> str:
    if gain.over == OVER_IMAGES:
        return "all test images equal"
    return "one draw" if gain.draws == 1 else "all draws equal"
