"""`make chaos` and `make docs`: write the table of faults into docs/reliability.md, from the last chaos run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TARGET = Path(__file__).with_suffix(".md")
RUN = Path(__file__).parent / "results" / "chaos.json"
BEGIN, END = "<!-- faults: written by `make docs` -->", "<!-- end of faults -->"

_KILL = "tests/faults/test_processes.py::test_it_heals_by_itself_and_loses_nothing"
_DISK = "tests/faults/test_disks.py::"
_AWAY = "503 with Retry-After until it is back"
SEEN: dict[str, tuple[str, str]] = {
    "stack killed": ("connections break, and new ones are refused until whatever runs the stack has started it", _KILL),
    "stack told to stop": (
        "what was begun is answered; then as above",
        "tests/faults/test_drain.py::" + "test_every_request_that_was_begun_is_answered",
    ),
    "stack stands still": ("nothing, as all others go on", _KILL),
    "API killed": ("connections break, and new ones are refused until it is back", _KILL),
    "API told to stop": (
        "what was begun is answered; then new connections are refused until it is back",
        "tests/faults/test_drain.py::test_a_client_that_tries_again_sees_no_failure_while_the_api_is_replaced",
    ),
    "API stands still": ("no answer meanwhile; then the answer", _KILL),
    "model server killed": (f"inference gets {_AWAY}; all else goes on", _KILL),
    "model server told to stop": (f"what was begun is answered; then inference gets {_AWAY}", _KILL),
    "model server stands still": ("inference waits, and gets 504 at its deadline", _KILL),
    "Valkey killed": (f"jobs get {_AWAY}; inference and data sets go on", _KILL),
    "Valkey stands still": ("jobs wait up to 5 s, then get 503 with Retry-After; inference goes on", _KILL),
    "worker killed": ("nothing; running jobs start again from their last checkpoint", _KILL),
    "worker told to stop": ("nothing; running jobs go back to their queues", _KILL),
    "worker stands still": ("nothing", _KILL),
    "queue killed": ("nothing; its job starts again once the lease has run out", _KILL),
    "queue stands still": ("nothing; past a lease its job is started again elsewhere, and the first one ends", _KILL),
    "fork server killed": ("nothing; running jobs start again from their last checkpoint", _KILL),
    "fork server stands still": ("nothing; a job that begins waits until it goes on", _KILL),
    "job killed": ("nothing; the job is at its next attempt at once", _KILL),
    "job stands still": ("its progress stands still", _KILL),
    "home full": ("jobs get 503 with Retry-After; inference goes on", _DISK + "test_a_full_home_heals_by_itself"),
    "store full": (
        "uploads and deletes get 507, jobs that end then fail with `not_stored`; inference goes on",
        _DISK + "test_a_full_store_heals_by_itself",
    ),
    "store read-only": (
        "as when it is full, and `/readyz` gives 503 and names the store",
        _DISK + "test_meanwhile_inference_goes_on_and_callers_are_told_why_nothing_is_kept",
    ),
}
"""What a caller sees of each fault, and the test that shows it."""


def render() -> str:
    """Return the page with the table as it must be now."""
    before, _, rest = TARGET.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{chr(10).join(_table(json.loads(RUN.read_text())))}\n\n{END}{after}"


def _table(document: dict[str, Any]) -> list[str]:
    found, environment = document["results"], document["environment"]
    jobs, wrong = found["jobs"], len(found["wrong"])
    return [
        f"In {found['minutes']:g} minutes {sum(fault['times'] for fault in found['faults'].values())} faults met "
        f"{found['requests']:,} requests, {jobs['accepted']} jobs and {found['uploads']} uploads: {len(found['lost'])} "
        f"lost, {wrong} wrong of {found['checked']:,} compared answers, {len(found['stuck'])} stuck "
        f"([the run](results/chaos.md), on {environment['machine']}).",
        "",
        "| fault | what the caller sees | lost | healed after, s: median, longest | test |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {seen} | nothing | {_healed(found['faults'].get(name))} | `{test}` |"
            for name, (seen, test) in SEEN.items()
        ),
    ]


def _healed(fault: dict[str, Any] | None) -> str:
    if fault is None:
        return "not in this run"
    if fault["median"] is None:
        return "not healed"
    return f"{fault['median']:.1f}, {fault['longest']:.1f}"


if __name__ == "__main__":
    TARGET.write_text(render())
