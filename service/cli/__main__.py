"""`latentaug`, and `python -m service.cli`: Ctrl+C ends it without a word from its first moment on.

Loading the commands takes a good part of a second, in which Python's own answer to Ctrl+C is a traceback.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPTED = 130
"""Exit status of what Ctrl+C ended."""


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


_ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as in the background of a shell's script
if not _ignored:
    signal.signal(signal.SIGINT, _leave)

from service.cli.app import main as _main  # noqa: E402 (what takes the time)


def main() -> None:
    """The entry point."""
    if not _ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _main()
    except KeyboardInterrupt:  # before the command itself has begun
        raise SystemExit(INTERRUPTED) from None


if __name__ == "__main__":
    main()
