"""Helm in a process of its own: its Go runtime and what other tests load into theirs do not get along.

It reads one question as JSON from each line of its input, and answers it with a line of JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import helm_python as helm


def answer(question: dict[str, Any]) -> Any:
    """Render a chart, look for faults in it, or pack it."""
    chart = question["chart"]
    match question["do"]:
        case "render":
            with helm.Chart.load(chart) as loaded:
                return loaded.render(question["values"], name=question["release"], namespace=question["namespace"])
        case "lint":
            return helm.lint(chart, question["values"], strict=True)
        case "package":
            return str(helm.package(chart, destination=question["destination"]))
    raise ValueError(question["do"])


def main() -> None:
    for line in sys.stdin:
        try:
            told = {"answer": answer(json.loads(line))}
        except helm.HelmValuesError as error:
            told = {"refused": str(error)}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
