"""`python -m worker`: the supervisor; with `--queue train`, the process of that queue."""

from __future__ import annotations

import argparse
import logging
import sys

from latentaug import settings as configuration
from latentaug.errors import LatentaugError
from latentaug.jobs import KINDS
from worker.queue_process import serve
from worker.supervisor import supervise


def main() -> int:
    """Run until told to stop; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__)
    parser.add_argument("--queue", choices=KINDS, help="serve one queue only, as the supervisor's child")
    queue = parser.parse_args().queue
    try:
        settings = configuration.load()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        serve(queue, settings) if queue else supervise(settings)
    except LatentaugError as error:
        logging.getLogger("worker").error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
