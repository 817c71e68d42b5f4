"""`make chaos MINUTES=20`: breaks the running service every few seconds while it is used, and audits what is left.

The faults come in rounds, each kind once in a round, in an order that the seed draws: each process is killed, told to
stop and stopped dead, and, as root on Linux, the disks of the home and of the store are filled and made read-only. The
exit status is 1 if anything was lost, wrong or stuck. The results go to docs/results/chaos.md and .json.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import results
from bench.chaos import audit, disks, faults, page
from bench.chaos.faults import Fault
from bench.chaos.ledger import Ledger
from bench.chaos.stack import Stack
from bench.chaos.stage import Stage, Suffered
from bench.chaos.work import WORK

HOME = Path("build/chaos")
PAUSE = (1.0, 5.0)
"""Fewest and most seconds from healing to the next fault."""
ATTEMPTS = "1000"
"""How often a job is started at most: here its processes die far more often than in any other place."""


def main(arguments: Sequence[str], folder: Path = HOME) -> int:
    """Run it, with all files in `folder`, which is emptied first; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20, help="how long to go on (20)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of faults and callers (the time)")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder to write to (docs/results)")
    given = parser.parse_args(arguments)
    environment = results.environment()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ledger = Ledger()
    with ExitStack() as stack:
        home, store, of_disks = stack.enter_context(_places(folder, ledger))
        settings = {"STORE_URL": store.as_uri(), "MAX_ATTEMPTS": ATTEMPTS}
        service = stack.enter_context(Stack(home, folder / "service.log", settings))
        print(f"seed {given.seed}; learning what is right on a quiet service", flush=True)
        stage = Stage(service, store.as_uri(), ledger, given.seed, WORK)
        with stage.used():
            suffered = list(_break(stage, [*faults.of_processes(), *of_disks], 60 * given.minutes, given.seed))
        print("auditing", flush=True)
        stage.audit()
        found = page.data(given.minutes, given.seed, suffered, ledger, stage.jobs.accepted, stage.uploads)
        found["rests"] = audit.rests(store)
        stage.close()
    command = f"make chaos MINUTES={given.minutes:g}"
    results.write(given.results, "chaos", command, environment, found, page.lines(found))
    return 0 if ledger.clean else 1


@contextmanager
def _places(folder: Path, ledger: Ledger) -> Iterator[tuple[Path, Path, Sequence[Fault]]]:
    """The home and the store, on disks of their own where that is possible, and the faults that those can have."""
    home, store = folder.absolute() / "home", folder.absolute() / "store"
    with ExitStack() as stack:
        try:
            stack.enter_context(disks.disk(home))
            stack.enter_context(disks.disk(store))
        except (PermissionError, FileNotFoundError) as error:
            print(f"without faults of disks, for this process may not mount any: {error}", flush=True)
            home.mkdir(exist_ok=True)
            yield home, store, []
            return
        yield home, store, faults.of_disks(home, store, ledger)


def _break(stage: Stage, kinds: Sequence[Fault], seconds: float, seed: int) -> Iterator[Suffered]:
    """Let one fault happen after the other, each kind once in a round."""
    rng, deadline = random.Random(seed), time.monotonic() + seconds  # noqa: S311 (no secret depends on it)
    waiting: list[Fault] = []
    while time.monotonic() < deadline:
        waiting = waiting or rng.sample(kinds, len(kinds))
        time.sleep(rng.uniform(*PAUSE))
        suffered = stage.suffer(waiting.pop(), rng)
        if suffered is not None:
            healed = "not healed" if suffered.seconds is None else f"healed in {suffered.seconds:.1f} s"
            left = max(0.0, deadline - time.monotonic())
            print(f"  {suffered.fault}: {healed}; answers {suffered.answers}; {left:.0f} s left", flush=True)
            yield suffered


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
