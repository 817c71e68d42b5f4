"""The results of a chaos run: what was broken, how it healed, what callers saw, and what was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from bench.chaos.ledger import BROKEN, Ledger
from bench.chaos.stage import Suffered
from bench.chaos.uploads import Uploads


def data(
    minutes: float, seed: int, suffered: Sequence[Suffered], ledger: Ledger, accepted: int, uploads: Uploads
) -> dict[str, Any]:
    """Everything that was counted, as plain JSON.

    Args:
        minutes: how long the service was broken again and again.
        seed: of the faults and the callers.
        suffered: every fault, in order.
        ledger: what callers saw.
        accepted: jobs that were accepted.
        uploads: what was uploaded.
    """
    statuses = Counter[int]()
    for (_, status), count in ledger.answers.items():
        statuses[status] += count
    return {
        "minutes": minutes,
        "seed": seed,
        "requests": statuses.total(),
        "statuses": _named(statuses),
        "checked": ledger.checked,
        "jobs": {
            "accepted": accepted,
            "ended": {f"{kind} {how}": count for (kind, how), count in sorted(ledger.ended.items())},
            "failed for want of room": ledger.for_want_of_room,
        },
        "uploads": uploads.uploaded,
        "lost": ledger.lost,
        "wrong": ledger.wrong,
        "stuck": ledger.stuck,
        "faults": by_fault(suffered),
    }


def by_fault(suffered: Sequence[Suffered]) -> dict[str, dict[str, Any]]:
    """For each kind of fault how often it happened, how soon it had healed, and which answers came until then."""
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(each.fault for each in suffered):
        same = [each for each in suffered if each.fault == name]
        healed = [each.seconds for each in same if each.seconds is not None]
        statuses = sum((Counter(each.answers) for each in same), Counter[int]())
        found[name] = {
            "times": len(same),
            "median": round(median(healed), 1) if healed else None,
            "longest": round(max(healed), 1) if healed else None,
            "not healed": len(same) - len(healed),
            "statuses": _named(statuses),
        }
    return found


def lines(found: dict[str, Any]) -> list[str]:
    """The page, from what `data` returned."""
    jobs = found["jobs"]
    ended = ", ".join(f"{count} {how}" for how, count in jobs["ended"].items())
    return [
        "# Chaos",
        "",
        f"For {found['minutes']:g} minutes the service was broken again and again (seed {found['seed']}), "
        f"{sum(fault['times'] for fault in found['faults'].values())} times in all, while callers used it. In the end "
        f"{len(found['lost'])} were lost, {len(found['wrong'])} wrong and {len(found['stuck'])} stuck.",
        "",
        "| what | number |",
        "|---|---|",
        f"| requests | {found['requests']:,} |",
        f"| whole answers compared, byte for byte, with those of a quiet service | {found['checked']:,} |",
        f"| jobs accepted | {jobs['accepted']} |",
        f"| of these ended | {ended} |",
        f"| of these failed for want of room, and said so | {jobs['failed for want of room']} |",
        f"| data sets accepted | {found['uploads']} |",
        f"| lost | {len(found['lost'])} |",
        f"| wrong answers | {len(found['wrong'])} |",
        f"| jobs stuck | {len(found['stuck'])} |",
        "",
        "## Faults",
        "",
        "Seconds from the fault, or from its end where it lasts, until the service was ready, gave a right answer, ran "
        "all of its processes, and had taken up again every job whose process had died. Statuses of all answers that "
        'came meanwhile; "none" is a broken connection, after which callers try again.',
        "",
        "| fault | times | healed, median s | healed, longest s | answers meanwhile |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {fault['times']} | {_seconds(fault['median'])} | {_seconds(fault['longest'])} "
            f"| {', '.join(f'{status}: {count}' for status, count in fault['statuses'].items())} |"
            for name, fault in sorted(found["faults"].items())
        ),
        *_listed("Lost", found["lost"]),
        *_listed("Wrong", found["wrong"]),
        *_listed("Stuck", found["stuck"]),
    ]


def _named(statuses: Counter[int]) -> dict[str, int]:
    return {"none" if status == BROKEN else str(status): count for status, count in sorted(statuses.items())}


def _seconds(seconds: float | None) -> str:
    return "not" if seconds is None else f"{seconds:.1f}"


def _listed(title: str, what: Sequence[str]) -> list[str]:
    return ["", f"## {title}", "", *(f"- {each}" for each in what[:50])] if what else []
