"""Protocols by name: what an evaluation measures unless it is told otherwise. No torch in here."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "verdict": {},
    "paper": {
        "decode": ["reconstruction"],
        "spaces": ["image"],
        "comparators": [],
        "combine": False,
        "tune": False,
    },
}
"""What differs from the defaults of `protocol.Protocol` and `job_params.EvaluateParams`.

The verdict's are the defaults: tuned classifiers, every comparator. The paper's are those of its section 4, which
compares untuned classifiers with none but their baseline, in image space.
"""
