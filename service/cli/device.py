"""`python -m service.cli.device NAME`: says which device that name stands for on this machine.

It is a process of its own because it loads torch, which would make every command a second slower.
"""

from __future__ import annotations

import sys

import torch

from service.model_server.serving import choose_device


def main() -> int:
    """Print the device, or why there is none; return the exit status."""
    try:
        device = choose_device(sys.argv[1])
    except ValueError as error:
        print(error)
        return 1
    print(torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main())
