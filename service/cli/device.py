"""`python -m service.cli.device NAME`: what the device of that name is.

A process of its own, for it loads torch, and no command should take a second longer for that.
"""

from __future__ import annotations

import sys

import torch

from service.model_server.serving import choose_device


def main() -> int:
    """Print the device, or why there is none; the result is the exit status."""
    try:
        device = choose_device(sys.argv[1])
    except ValueError as error:
        print(error)
        return 1
    print(torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main())
