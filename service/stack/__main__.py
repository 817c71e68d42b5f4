"""`python -m service.stack`: everything on one machine, until Ctrl+C."""

import argparse
import sys

from service.stack.run import main

parser = argparse.ArgumentParser(prog="python -m service.stack", description="Runs the whole service until Ctrl+C.")
parser.add_argument("--passing", action="store_true", help="Note that it runs for one command, and ends with that.")
parser.add_argument("--api-only", action="store_true", help="Start no model server and no worker: nothing computes.")
options = parser.parse_args()
sys.exit(main(passing=options.passing, computing=not options.api_only))
