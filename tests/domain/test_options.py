from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from latentaug.options import (
    AffineRanges,
    AugmentOptions,
    AugmentParams,
    EvaluateParams,
    InterpolateOptions,
    Recipe,
    RecommendParams,
    TrainParams,
)
from latentaug.runtime.jobs.params import PARAMS
from latentaug.runtime.jobs.record import JobRecord, from_fields, new_id, to_fields

_SCHEMAS = (
    AugmentOptions,
    InterpolateOptions,
    TrainParams,
    EvaluateParams,
    AugmentParams,
    AffineRanges,
    RecommendParams,
    Recipe,
)

MINIMAL: list[tuple[type[BaseModel], dict[str, Any]]] = [
    (TrainParams, {"dataset": "digits"}),
    (EvaluateParams, {"dataset": "digits"}),
    (EvaluateParams, {"dataset": "digits", "model": "m"}),
    (AugmentParams, {"dataset": "digits", "model": "m"}),
]


@pytest.mark.parametrize(("params", "least"), MINIMAL)
def test_what_is_stored_reads_back_equal(params: type[BaseModel], least: dict[str, Any]) -> None:
    validated = params.model_validate(least)
    assert params.model_validate(validated.model_dump(mode="json")) == validated


@pytest.mark.parametrize(("params", "least"), MINIMAL)
def test_an_unknown_parameter_is_refused(params: type[BaseModel], least: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        params.model_validate({**least, "epoch": 3})


def test_defaults_are_the_papers() -> None:
    train = TrainParams(dataset="digits")
    assert (train.architecture, train.patience, train.name) == ("auto", 5, None)
    evaluate = EvaluateParams(dataset="digits")
    assert (evaluate.alpha, evaluate.k, evaluate.latent_dims, evaluate.draws) == (0.5, 3, None, 10)
    assert evaluate.decode == ["residual"]
    assert EvaluateParams(dataset="digits", model="m").latent_dims is None


def test_decode_is_a_name_or_a_list() -> None:
    assert EvaluateParams.model_validate({"dataset": "d", "decode": "reconstruction"}).decode == ["reconstruction"]
    both = ["reconstruction", "residual"]
    assert EvaluateParams.model_validate({"dataset": "d", "decode": both}).decode == both


@pytest.mark.parametrize(
    "wrong",
    [
        {"dataset": "../digits"},
        {"dataset": ""},
        {"name": "a b"},
        {"latent_dim": 0},
        {"latent_dim": 513},
        {"latent_dim": 2.5},
        {"latent_dim": "20"},
        {"epochs": 0},
        {"epochs": 10_001},
        {"epochs": True},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"beta": -1},
        {"beta": float("inf")},
        {"seed": -1},
        {"seed": 2**63},
    ],
)
def test_train_parameters_have_ranges(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TrainParams.model_validate({"dataset": "digits", **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"latent_dims": []},
        {"latent_dims": [0]},
        {"latent_dims": [20, 20]},
        {"latent_dims": list(range(1, 18))},
        {"latent_dims": [20], "model": "m"},
        {"labelled": 0},
        {"draws": 0},
        {"draws": 101},
        {"methods": []},
        {"methods": ["noise", "noise"]},
        {"methods": ["magic"]},
        {"classifiers": ["forest"]},
        {"spaces": ["pixel"]},
        {"decode": "sharp"},
        {"comparators": ["cutout"]},
        {"affine": {"shift": 0.6}},
        {"affine": {"skew": 1}},
        {"affine": {"shear": 46}},
        {"comparators": ["spread_pixels"]},
        {"comparators": ["mixup"]},
        {"classifiers": ["cnn"], "spaces": ["latent"]},
        {"pool_images": -1},
        {"combine": 1},
        {"protocol": "journal"},
        {"protocol": ["paper"]},
        {"alpha": 1.5},
        {"alpha": -0.1},
        {"k": 0},
        {"tune": "yes"},
    ],
)
def test_evaluate_parameters_have_ranges(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EvaluateParams.model_validate({"dataset": "digits", **wrong})


def test_the_papers_protocol_has_its_own_defaults_which_give_way_to_what_is_given() -> None:
    paper = EvaluateParams.model_validate({"dataset": "digits", "protocol": "paper", "tune": True})
    assert (paper.decode, paper.spaces, paper.comparators) == (["reconstruction"], ["image"], [])
    assert (paper.combine, paper.tune) == (False, True)
    assert EvaluateParams.model_validate(paper.model_dump()) == paper
    verdict = EvaluateParams.model_validate({"dataset": "digits"})
    assert verdict.classifiers == ["svm", "knn", "mlp"]
    assert (verdict.tune, verdict.combine, verdict.comparators) == (True, True, ["duplication", "affine", "smote"])


def test_the_cnn_wants_pixels_and_mixing_wants_the_cnn() -> None:
    both = {"dataset": "digits", "classifiers": ["svm", "cnn"], "comparators": ["mixup", "cutmix"]}
    assert EvaluateParams.model_validate(both).comparators == ["mixup", "cutmix"]
    with pytest.raises(ValidationError, match="add image to spaces, or leave cnn out"):
        EvaluateParams.model_validate({**both, "spaces": ["latent"]})
    with pytest.raises(ValidationError, match="mixup and cutmix mix the batches of the CNN; add cnn to classifiers"):
        EvaluateParams.model_validate({**both, "classifiers": ["svm"]})


def test_warps_want_a_method_with_neighbours() -> None:
    with pytest.raises(ValidationError, match="noise has none; add another of either"):
        EvaluateParams.model_validate({"dataset": "digits", "decode": "warp", "methods": "noise"})
    both = {"dataset": "digits", "decode": "warp", "methods": ["noise", "interpolation"]}
    assert EvaluateParams.model_validate(both).decode == ["warp"]


def test_alpha_may_pass_1_where_nothing_is_interpolated() -> None:
    assert EvaluateParams(dataset="digits", methods=["extrapolation"], alpha=2).alpha == 2
    assert AugmentParams(dataset="digits", model="m", method="noise", alpha=2).alpha == 2
    with pytest.raises(ValidationError, match="at most 1"):
        AugmentParams(dataset="digits", model="m", alpha=2)


def test_copies_belong_to_noise() -> None:
    assert AugmentParams(dataset="digits", model="m", method="noise", copies=2).copies == 2
    with pytest.raises(ValidationError, match="noise"):
        AugmentParams(dataset="digits", model="m", copies=2)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"parts": [{"source": "noise"}]}, "name a model"),
        ({"spread": {"space": "latent"}}, "name a model"),
        ({"parts": [{"source": "affine", "decode": "residual"}]}, "decodes nothing"),
        ({"parts": [{"source": "elastic", "alpha": 0.5}]}, "alpha is for"),
        ({"model": "m", "parts": [{"source": "interpolation", "alpha": 2}]}, "at most 1"),
        ({"parts": [{"source": "affine", "copies": 0}]}, "greater than or equal to 1"),
        ({"parts": [{"source": "affine"}] * 9}, "at most 8"),
        ({"spread": {"keep": 1.5}}, "less than or equal to 1"),
        ({"sources": []}, "Extra inputs"),
    ],
)
def test_recipes_have_rules(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Recipe.model_validate(wrong)


def test_a_recipe_stands_for_itself_or_for_the_job_that_found_it() -> None:
    recipe = {"spread": {"images": 10}, "parts": [{"source": "affine"}], "seed": 3}
    by_object = AugmentParams.model_validate({"dataset": "digits", "recipe": recipe})
    assert isinstance(by_object.recipe, Recipe)
    assert by_object.recipe.growth == 2
    assert AugmentParams.model_validate(by_object.model_dump(mode="json")) == by_object
    assert AugmentParams.model_validate({"dataset": "digits", "recipe": "0" * 32}).recipe == "0" * 32


def test_beside_a_recipe_nothing_else_is_said() -> None:
    for other in ({"k": 5}, {"model": "m"}, {"seed": 1}):
        with pytest.raises(ValidationError, match=f"leave out {next(iter(other))}"):
            AugmentParams.model_validate({"dataset": "digits", "recipe": {}, **other})
    with pytest.raises(ValidationError, match="name a model, or give a recipe"):
        AugmentParams.model_validate({"dataset": "digits", "whole": True})


@pytest.mark.parametrize("kind", ["train", "evaluate", "augment", "recommend"])
@pytest.mark.parametrize("junk", [None, [], "text", 3, {"dataset": None}, {"dataset": {"a": 1}}])
def test_junk_is_a_validation_error(kind: Any, junk: object) -> None:
    with pytest.raises(ValidationError):
        PARAMS[kind].model_validate(junk)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=4))
def test_a_record_of_any_parameters_reads_back_equal(params: dict[str, Any]) -> None:
    job_id, created_at = new_id()
    record = JobRecord(id=job_id, kind="train", status="queued", created_at=created_at, params=params)
    parts = [part.encode("utf-8", "surrogatepass") for part in to_fields(record)]
    assert from_fields(dict(zip(parts[::2], parts[1::2], strict=True))) == record


# Names that other things have too: of drawings, of image sizes, of the model server's arithmetic.
_NAMES = {name for schema in _SCHEMAS for name in schema.model_fields} - {"scale", "steps", "resize", "precision"}
# A method of projection; the seed of a data set's one split, which no caller chooses; what models of earlier versions
# are; the paper's network, which an architecture is where nothing else is said.
_OTHERS = {
    ("latentaug/storage/models.py", "architecture"),
    ("latentaug/vae/architectures.py", "name"),
    ("service/api/http/options.py", "method"),
    ("latentaug/datasets/dataset.py", "seed"),
}


def _defaults(path: Path) -> Iterator[tuple[str, int]]:
    """Names and lines of what has a literal default: arguments, fields and keywords `default=` beside them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            places = [*node.args.posonlyargs, *node.args.args]
            pairs = [*zip(reversed(places), reversed(node.args.defaults), strict=False)]
            keywords = zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            yield from ((arg.arg, arg.lineno) for arg, value in [*pairs, *keywords] if _literal(value))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and _literal(node.value):
            yield node.target.id, node.lineno


def _literal(value: ast.expr | None) -> bool:
    """Whether it is a number, text, flag or list of them that is no mere "nothing given"."""
    if value is None:
        return False
    if isinstance(value, ast.Call):
        return any(keyword.arg == "default" and _literal(keyword.value) for keyword in value.keywords)
    try:
        return ast.literal_eval(value) not in (None, "", (), [], {})
    except ValueError:
        return False


def test_no_option_has_a_second_default() -> None:
    root = Path(__file__).parents[2]
    found = [
        f"{relative}:{line} {name}"
        for folder in ("latentaug", "service", "worker", "client")
        for path in sorted((root / folder).rglob("*.py"))
        if (relative := path.relative_to(root).as_posix()) != "latentaug/options.py"
        for name, line in _defaults(path)
        if name in _NAMES and (relative, name) not in _OTHERS
    ]
    assert found == [], "take the default from latentaug/options.py"


def test_no_script_of_the_page_has_a_default_of_its_own() -> None:
    scripts = (Path(__file__).parents[2] / "service" / "web" / "static" / "js").rglob("*.js")
    names = (
        "alpha",
        "beta",
        "copies",
        "decode",
        "draws",
        "epochs",
        "k",
        "latent_dim",
        "learning_rate",
        "method",
        "seed",
    )
    literal = re.compile(rf"[{{,\s]({'|'.join(names)}): (-?[0-9]|\"[a-z]+\"|number\([0-9])")
    found = [f"{path.name}: {hit[0]}" for path in scripts for hit in literal.finditer(path.read_text())]
    assert found == [], "take the default from /openapi.json"
