"""The changes to job records, as Lua: Redis runs each script as a whole or not at all.

Each script is a file in the folder `lua`, and begins with the functions of `prelude.lua`, which all share. A change
that a worker asks for names its attempt, and is refused once the job has ended or a later attempt has begun.
"""

from __future__ import annotations

from importlib.resources import files

from redis import Redis
from redis.commands.core import Script

_FOLDER = files(__package__) / "lua"
_PRELUDE = (_FOLDER / "prelude.lua").read_text()


def load(redis: Redis, name: str) -> Script:
    """Load the script of that name; call the result with the script's arguments."""
    return redis.register_script(_PRELUDE + (_FOLDER / f"{name}.lua").read_text())
