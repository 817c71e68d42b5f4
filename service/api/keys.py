"""API keys: read once at start, kept as SHA-256, compared in constant time.

`python -m service.api.keys new --scopes infer,train` makes one: it prints the key, stored nowhere, and its line for the
keys file. `python -m service.api.keys ensure FILE` does so for a service's first start: where FILE is missing, it makes
a key with every scope, prints it and writes its line to FILE.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from latentaug.runtime.settings import PREFIX, Settings

SCOPES = ("infer", "train", "admin")
_HASHED = re.compile(r"sha256\$([0-9a-f]{64})")


@dataclass(frozen=True)
class Key:
    """A key as it is kept: what it hashes to and what it may do. No scope contains another."""

    digest: bytes
    scopes: frozenset[str]

    @property
    def owner(self) -> str:
        """A name for the key's holder that tells nothing about the key."""
        return self.digest.hex()[:16]


class Keys:
    """All keys that the service knows."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = tuple(keys)

    @property
    def open(self) -> bool:
        """Whether no key is needed, for there are none."""
        return not self._keys

    def find(self, token: str) -> Key | None:
        """The key that `token` is, compared with every key so that time tells nothing."""
        digest = _digest(token)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found


def load(settings: Settings) -> Keys:
    """Read the keys that the settings give.

    Raises:
        ValueError: a line that is no key, a plain key in a file, or keys that are set but hold none.
    """
    keys: list[Key] = []
    if settings.api_keys is not None:
        entries = settings.api_keys.get_secret_value().split(",")
        keys += [_parse(entry.strip(), f"{PREFIX}API_KEYS", plain=True) for entry in entries if entry.strip()]
    if settings.api_keys_file is not None:
        lines = (line.strip() for line in settings.api_keys_file.read_text().splitlines())
        keys += [_parse(line, str(settings.api_keys_file), plain=False) for line in lines if line and line[0] != "#"]
    configured = settings.api_keys is not None or settings.api_keys_file is not None
    if configured and not keys:
        raise ValueError("keys are set but hold none; make one with: python -m service.api.keys new --scopes infer")
    return Keys(keys)


def new(scopes: Sequence[str]) -> tuple[str, str]:
    """Make a key: the key itself, and its line for the keys file."""
    token = f"latentaug_{secrets.token_urlsafe(32)}"
    return token, f"sha256${_digest(token).hex()}:{'+'.join(scopes)}"


def ensure(file: Path) -> str | None:
    """Where `file` is missing, make a key with every scope and write its line there, whole or not at all.

    Returns:
        The key, or None where the file was there already.
    """
    if file.exists():
        return None
    token, line = new(SCOPES)
    file.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=file.parent, delete=False) as temporary:  # mode 0600
        temporary.write(f"{line}\n")
    os.replace(temporary.name, file)
    return token


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m service.api.keys", description="Keys for the API.")
    commands = parser.add_subparsers(dest="command", required=True)
    for_new = commands.add_parser("new", help="make a key and print it once")
    for_new.add_argument("--scopes", required=True, help=f"comma separated, of {', '.join(SCOPES)}")
    for_ensure = commands.add_parser("ensure", help="make a key with every scope where the file is missing")
    for_ensure.add_argument("file", type=Path, help=f"what {PREFIX}API_KEYS_FILE names")
    chosen = parser.parse_args(arguments)
    if chosen.command == "ensure":
        token = ensure(chosen.file)
        print(f"key, shown this once: {token}" if token else f"{chosen.file} is there already; nothing changed")
        return
    scopes = chosen.scopes.split(",")
    if unknown := sorted(set(scopes) - set(SCOPES)):
        parser.error(f"no such scope: {', '.join(unknown)}; there are {', '.join(SCOPES)}")
    token, line = new(scopes)
    print(f"key, shown this once:          {token}")
    print(f"line for {PREFIX}API_KEYS_FILE: {line}")


def _parse(entry: str, source: str, *, plain: bool) -> Key:
    """One `key:scope+scope`; messages never show the key."""
    token, _, listed = entry.rpartition(":")
    scopes = frozenset(listed.split("+"))
    if not token or not scopes <= set(SCOPES):
        raise ValueError(f"{source} has an entry that is not key:scope+scope with scopes of {', '.join(SCOPES)}")
    if hashed := _HASHED.fullmatch(token):
        return Key(bytes.fromhex(hashed[1]), scopes)
    if not plain:
        raise ValueError(f"{source} holds a plain key; keep only sha256$... lines, as `keys new` prints them")
    return Key(_digest(token), scopes)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


if __name__ == "__main__":
    main()
