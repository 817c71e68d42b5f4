"""`make paper`: measures the paper's tables, and the verdict on its data sets, by jobs over HTTP, into docs/results/.

    python -m bench.paper                     all except the large studies
    python -m bench.paper table-1 mnist-100   only these

This needs MNIST and UJIPEN. They are taken from the folder LATENTAUG_DATA_DIR, or else downloaded, which is impossible
for version 1 of UJIPEN. If it is interrupted, it goes on within a day where it was, from build/paper; delete that
folder to measure anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine
from bench.comparison import beside_the_paper, best_of_any_kind, over_affine
from bench.studies import SEED, STUDIES, Study
from examples.running import Service, running_service
from latentaug.evaluation.phrases import TITLES
from latentaug.evaluation.result import Result
from latentaug.runtime.settings import available_cores

HOME = Path("build/paper")
RESULTS = Path("docs/results")
JOB_TIMEOUT = 24 * 3600.0  # seconds
FORMS = {"json": "application/json", "csv": "text/csv", "png": "image/png"}


def main() -> None:
    """Run what is asked for, write its reports and say where they are."""
    parser = argparse.ArgumentParser(description="Measure the paper's tables and the verdict.")
    parser.add_argument("studies", nargs="*", help=f"of {', '.join(STUDIES)}; default: all that a laptop can do")
    asked = parser.parse_args().studies or [name for name, study in STUDIES.items() if not study.large]
    if unknown := set(asked) - STUDIES.keys():
        parser.error(f"no such studies: {', '.join(sorted(unknown))}; there are {', '.join(STUDIES)}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    with running_service(HOME, **service_settings()) as service:
        for name in asked:
            _measure(service, STUDIES[name])
            print(f"\n{name}: written to {RESULTS}/{name}.*", flush=True)


def service_settings() -> dict[str, str]:
    """Return settings that give a core to each process that shares an evaluation, and all cores to a training."""
    cores = str(available_cores())
    settings = {"threads": cores, "evaluate_processes": cores}
    if "LATENTAUG_DATA_DIR" in os.environ:
        settings["data_dir"] = os.environ["LATENTAUG_DATA_DIR"]
    return settings


def _measure(service: Service, study: Study) -> dict[str, Any]:
    """Train what is not trained, evaluate what is not evaluated, write the report; return the job's record."""
    models = [trained(service, params) for params in study.models]
    params = {"dataset": study.models[0]["dataset"], "model": [model["name"] for model in models], "seed": SEED}
    params |= study.params
    if study.beside:
        params["beside"] = [_measure(service, STUDIES[name])["id"] for name in study.beside]
    job = service.job("evaluate", params, JOB_TIMEOUT, key=f"{study.name}-{_digest(params)}")
    if study.report:
        _write(service, study, models, job)
    return job


def trained(service: Service, params: dict[str, Any]) -> dict[str, Any]:
    """Return a model that an earlier run has trained, or train it now."""
    names = [model["name"] for model in service.json("GET", "/v1/models")["models"]]
    if params["name"] not in names:
        service.job("train", params, JOB_TIMEOUT, key=f"{params['name']}-{_digest(params)}")
    return service.json("GET", f"/v1/models/{params['name']}")


def _write(service: Service, study: Study, models: list[dict[str, Any]], job: dict[str, Any]) -> None:
    """Write the report, with the command, the machine and the versions that it was measured with, and its files."""
    path = f"/v1/jobs/{job['id']}/result"
    for suffix, form in FORMS.items():
        (RESULTS / f"{study.name}.{suffix}").write_bytes(service.call("GET", path, accept=form))
    result = _read(study.name)
    report = service.call("GET", path, accept="text/markdown").decode()
    sections = [f"# {study.title}", _provenance(service, study, models, job)]
    if study.published:
        sections += [beside_the_paper(result, study.published), _other_arms(study)]
    else:
        sections += [report.removeprefix("# Do the new images help?").lstrip(), over_affine(result)]
    sections += [f"![Gain with interval for each arm]({study.name}.png)", *_figures(service, study, path)]
    if study.published:
        sections += [report.replace("# Do the new images help?", "## Does it help?").replace("## How", "### How")]
    text = "\n\n".join(section.rstrip() for section in sections if section)
    (RESULTS / f"{study.name}.md").write_text(f"<!-- written by `make paper`; do not edit -->\n{text}\n")


def _provenance(service: Service, study: Study, models: list[dict[str, Any]], job: dict[str, Any]) -> str:
    asked = json.dumps(_asked(job))
    lines = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} by `python -m bench.paper {study.name}` on {machine.describe()}.",
        f"- Evaluation: {_seconds(job):,.0f} s in {available_cores()} processes, parameters `{asked}`.",
    ]
    for model in models:
        trained = service.json("GET", f"/v1/jobs/{model['job_id']}")
        speed = median(epoch["images_per_second"] for epoch in model["curve"])
        lines.append(
            f"- VAE `{model['name']}`: {_seconds(trained):,.0f} s, {len(model['curve'])} epochs, the best "
            f"{model['best_epoch']}, {speed:,.0f} images/s (median epoch), seed {SEED}."
        )
    lines.append("- Trust accuracies; seconds were taken with whatever else ran on the machine.")
    return "\n".join([lines[0], "", *lines[1:]])


def _asked(job: dict[str, Any]) -> dict[str, Any]:
    """The parameters that a reader wants to know, without those of training, which was done before."""
    training = ("beta", "epochs", "patience", "batch_size", "learning_rate", "latent_dims", "beside")
    return {name: value for name, value in job["params"].items() if name not in training}


def _other_arms(study: Study) -> str:
    """Lines on the best arm of any kind, for each classifier, where the table's data set has a verdict too."""
    bests = []
    for name in VERDICTS.get(study.name, ()):
        if (RESULTS / f"{name}.json").is_file():
            result = _read(name)
            best = {key: best_of_any_kind(result, key) for key in result.verdicts}
            bests += [f"- **{TITLES[key]}**: {words} ([report]({name}.md))." for key, words in best.items()]
    return "\n".join(["The best arm of any kind in the verdicts on this data set, tuned:", "", *bests]) if bests else ""


def _read(name: str) -> Result:
    """A study's result."""
    return Result.from_json(json.loads((RESULTS / f"{name}.json").read_text()))


VERDICTS = {"table-2": ("mnist-1000", "mnist-1000-mlp"), "table-3": ("ujipen-v1",)}
"""The verdicts on the same data set as each table."""


def _figures(service: Service, study: Study, path: str) -> list[str]:
    """Write and link the figures that this job has besides the forest plot."""
    titles = {
        "accuracy-by-labels": "Accuracy against labelled images",
        "gain-by-copies": "Gain against new samples for each image",
        "reconstructions": "Figure 2: unseen images, and their reconstructions",
        "interpolations": "Figures 3, 5 and 6: from the image on the left to the one on the right",
        "generation": "Figure 7: noise, interpolation and extrapolation",
    }
    linked = []
    for name, title in titles.items():
        drawn = service.find(f"{path}?figure={name}")
        if drawn is not None:
            (RESULTS / f"{study.name}-{name}.png").write_bytes(drawn)
            linked.append(f"![{title}]({study.name}-{name}.png)\n\n{title}.")
    return linked


def _seconds(job: dict[str, Any]) -> float:
    """From a job's start to its end."""
    started, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "ended_at"))
    return (ended - started).total_seconds()


def _digest(params: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:16]


if __name__ == "__main__":
    main()
