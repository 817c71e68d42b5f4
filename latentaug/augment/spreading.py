"""Labels for unlabelled images, spread from the labelled ones over the graph of images that are alike.

1. Each image's nearest others are looked up in latent space or on pixels, and looked at closely (`similarity`).
2. Labels spread over that graph, and the classes are weighed such that they come nearer to the labelled images'
   proportions (`propagation`).
3. What each labelled image would have been called without its own label says how right the others are (`calibration`),
   and which space and which size of shapes serve best.
4. Images that nothing but a leap leads to from any labelled one, or at which hardly anything arrives, stay without a
   label: they show something else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components, dijkstra

from latentaug.augment.calibration import interval
from latentaug.augment.cells import Progress
from latentaug.augment.labelling import check_labels
from latentaug.augment.propagation import Beliefs, believe
from latentaug.augment.similarity import Floats, Graph, Neighbourhoods, Rows, Space, edges, similarity
from latentaug.datasets.dataset import UNLABELLED
from latentaug.datasets.selection import Images
from latentaug.errors import InvalidInput
from latentaug.options import LabelOptions, LabelSpace

DEFAULTS = LabelOptions()
PAYS = 0.5
"""Confidence above which a label is kept unless `keep` says how many are: it is then more likely right than wrong."""
LEAP = 1.5
"""A step is a leap if it is so many times longer than the longest from a labelled image to the one most like it."""
ASKED = 50
"""Most images whose labels are asked for."""
APART = 3
"""More than so many steps lie between any two of them."""
_AROUND_ROUNDS = 10
_LOOKED_UP, _COMPARED, _SPREAD = 0.4, 0.9, 0.95  # how far spreading has come when each of these is done

Told = Callable[[float, str], None]


@dataclass(frozen=True)
class Expected:
    """The share of right labels that is to be expected among those that were spread.

    Attributes:
        mean: the best guess, 0..1.
        low: lower end of its 95 % interval.
        high: upper end.
        per_class: the best guess for the images given each class; None for a class that none was given.
    """

    mean: float
    low: float
    high: float
    per_class: list[float | None]


@dataclass(frozen=True)
class Spread:
    """What spreading gives, in the rows of the images.

    Attributes:
        labels: int64 [n], each image's own label where it had one; -1 where it is unlike every labelled image.
        confidence: float32 [n], the chance that the label is right: 1 where it was given, 0 where there is none.
        kept: bool [n], whether the image belongs in a training set; images with labels of their own always do.
        nearest: int64 [n], row of the labelled image that the label came from; of an image without, the nearest one.
        space: `latent` or `pixels`, where neighbours were looked for.
        expected: of the labels that were spread.
        ask_next: int64 [m], rows of the images whose labels by hand would tell most, the one that tells most first.
    """

    labels: Rows
    confidence: Floats
    kept: NDArray[np.bool_]
    nearest: Rows
    space: Space
    expected: Expected
    ask_next: Rows


def spread(
    images: Images,
    labels: Rows,
    classes: int,
    *,
    latents: Floats | None = None,
    space: LabelSpace = DEFAULTS.space,
    keep: float | None = DEFAULTS.keep,
    per_class: bool = DEFAULTS.per_class,
    seed: int = DEFAULTS.seed,
    progress: Told | None = None,
) -> Spread:
    """Spread the labels there are over all images.

    Args:
        images: uint8 [n, h, w, c], in memory or not.
        labels: int64 [n], 0 to classes - 1, and -1 for the images without a label.
        classes: number of classes.
        latents: float32 [n, d], the images' latents, or None to look at pixels alone.
        space: where neighbours are looked for; `auto` takes whichever names more labelled images right.
        keep: share of the newly labelled images to keep, surest first; None keeps those more likely right than wrong.
        per_class: whether to keep that share of each class by itself.
        seed: decides which of many labelled images are left out together.
        progress: told how far it has come, 0..1, and what it is at.

    Raises:
        InvalidInput: no label, no image without one, or no latents to look for neighbours in.
        TooLarge: more images times classes than are spread at once.
    """
    found = Neighbourhoods(images, latents)
    return spread_over(
        found, labels, classes, space=space, keep=keep, per_class=per_class, seed=seed, progress=progress
    )


def spread_over(
    neighbourhoods: Neighbourhoods,
    labels: Rows,
    classes: int,
    *,
    space: LabelSpace = DEFAULTS.space,
    keep: float | None = DEFAULTS.keep,
    per_class: bool = DEFAULTS.per_class,
    seed: int = DEFAULTS.seed,
    progress: Told | None = None,
) -> Spread:
    """Spread labels as `spread` does, over images whose neighbourhoods may be known already; it raises the same."""
    check_labels(labels)
    if space == "latent" and neighbourhoods.latents is None:
        raise InvalidInput("there are no latents to look for neighbours in; give them, or use the space 'pixels'")
    tell = progress or _untold
    where = _best_space(neighbourhoods, labels, classes, space, seed, tell)
    graph, beliefs = _best_graph(neighbourhoods, where, labels, classes, seed, tell)
    tell(_SPREAD, "choosing images")
    given = np.flatnonzero(labels != UNLABELLED)
    called = np.where(beliefs.reached, beliefs.shares.argmax(axis=1), UNLABELLED)
    confidence = np.where(beliefs.reached, beliefs.calibration(beliefs.shares.max(axis=1)), np.float32(0))
    called[given], confidence[given] = labels[given], 1
    new = np.flatnonzero((labels == UNLABELLED) & beliefs.reached)
    kept = labels != UNLABELLED
    kept[new[_keep(confidence[new], called[new], keep, per_class)]] = True
    return Spread(
        labels=called,
        confidence=confidence,
        kept=kept,
        nearest=_origins(graph, called, given),
        space=where,
        expected=_expected(confidence[new], called[new], classes, beliefs.right),
        ask_next=ask(similarity(graph), beliefs.shares, new),
    )


def _best_space(found: Neighbourhoods, labels: Rows, classes: int, space: LabelSpace, seed: int, tell: Told) -> Space:
    """Where neighbours are looked for: before anything is looked at closely, as that takes longest."""
    spaces = found.spaces if space == "auto" else (space,)
    every, likelihood = np.ones(len(labels), np.bool_), dict[Space, float]()
    for i, each in enumerate(spaces):
        start, end = _LOOKED_UP * i / len(spaces), _LOOKED_UP * (i + 1) / len(spaces)
        graph = found.rough(each, _between(tell, start, end, "looking for neighbours"))
        if len(spaces) > 1:
            likelihood[each] = believe(
                similarity(graph), labels, classes, every, seed, partial(tell, end, "looking for neighbours")
            ).likelihood
    return max(spaces, key=lambda each: likelihood.get(each, 0))


def _best_graph(
    found: Neighbourhoods, space: Space, labels: Rows, classes: int, seed: int, tell: Told
) -> tuple[Graph, Beliefs]:
    """The graph of that space whose size of shapes serves best, and what it makes of the labels."""
    given, graphs = np.flatnonzero(labels != UNLABELLED), list[tuple[Graph, Beliefs]]()
    for i, side in enumerate(found.sides):
        start, end = (_LOOKED_UP + (_COMPARED - _LOOKED_UP) * j / len(found.sides) for j in (i, i + 1))
        graph = found.close(space, side, _between(tell, start, end, "comparing shapes"))
        between = partial(tell, end, "comparing shapes")
        graphs.append((graph, believe(similarity(graph), labels, classes, _near(graph, given), seed, between)))
    return max(graphs, key=lambda each: each[1].likelihood)


def _near(graph: Graph, given: Rows) -> NDArray[np.bool_]:
    """Which images a path leads to from a labelled one without a leap, bool [n]."""
    longest = LEAP * float(graph.distances[given, 0].max())
    steps = edges(graph, np.where(graph.distances <= longest, np.float32(1), np.float32(0)))
    steps.eliminate_zeros()
    component = connected_components(steps, directed=False)[1]
    return np.isin(component, component[given])


def _origins(graph: Graph, called: Rows, given: Rows) -> Rows:
    """The labelled image at the end of the shortest path through images of the same label, int64 [n].

    Where there is no such path, it is the one at the end of the shortest path of all, or else any.
    """
    steps = edges(graph, np.maximum(graph.distances, np.float32(1e-6))).tocoo()  # a step of 0 would be none
    origins = np.full(len(called), -1, np.int64)
    for allowed in (called[steps.row] == called[steps.col], np.ones(steps.nnz, np.bool_)):
        part = sparse.csr_array((steps.data[allowed], (steps.row[allowed], steps.col[allowed])), shape=steps.shape)
        ends = dijkstra(part, directed=False, indices=given, min_only=True, return_predecessors=True)[2]
        origins = np.where((origins < 0) & (ends >= 0), ends, origins)
    return np.where(origins < 0, given[0], origins)


def _keep(confidence: Floats, called: Rows, keep: float | None, per_class: bool) -> Rows:
    """Which of the newly labelled images to keep."""
    if keep is None:
        return np.flatnonzero(confidence > PAYS)
    order = np.argsort(-confidence, kind="stable")
    groups = [order[called[order] == label] for label in np.unique(called)] if per_class else [order]
    return np.concatenate([np.empty(0, np.int64), *(group[: round(keep * len(group))] for group in groups)])


def _expected(confidence: Floats, called: Rows, classes: int, right: NDArray[np.bool_]) -> Expected:
    """What is to be expected of the new labels: the mean of their confidence, within what left-out images speak for."""
    low, high = interval(int(right.sum()), len(right))
    by_class = [confidence[called == label] for label in range(classes)]
    mean = float(confidence.mean()) if len(confidence) else (low + high) / 2
    return Expected(
        min(max(mean, low), high), low, high, [float(each.mean()) if len(each) else None for each in by_class]
    )


def ask(s: sparse.csr_array, shares: Floats, new: Rows, most: int = ASKED) -> Rows:
    """The images whose labels by hand would tell most: amid many unsure ones, and apart from one another.

    An unsure image amid sure ones is odd; one amid many others stands for all of them.

    Args:
        s: the graph, [n, n].
        shares: float32 [n, classes], what has arrived at each image.
        new: the rows to choose from.
        most: how many to choose.
    """
    ordered = np.sort(shares[new], axis=1)
    unsure = np.zeros(len(shares), np.float32)
    unsure[new] = 1 - ordered[:, -1] + (ordered[:, -2] if shares.shape[1] > 1 else 0)
    around = unsure
    for _ in range(_AROUND_ROUNDS):
        around = np.float32(0.9) * (s @ around) + np.float32(0.1) * unsure
    beside, chosen = np.zeros(len(shares), np.bool_), list[int]()
    for row in new[np.argsort(-around[new], kind="stable")]:
        if len(chosen) == most:
            break
        if not beside[row]:
            chosen.append(int(row))
            beside[_within(s, row, APART)] = True
    return np.array(chosen, np.int64)


def _within(s: sparse.csr_array, row: int, steps: int) -> Rows:
    """The images that so many steps lead to from one."""
    rows = np.array([row])
    for _ in range(steps):
        rows = np.unique(np.concatenate([rows, *(s.indices[s.indptr[each] : s.indptr[each + 1]] for each in rows)]))
    return rows


def _between(tell: Told, start: float, end: float, stage: str) -> Progress:
    """Tells how far a part of the work has come that takes the whole from `start` to `end`."""
    return lambda part: tell(start + (end - start) * part, stage)


def _untold(fraction: float, stage: str) -> None:
    """Nobody wants to know."""
