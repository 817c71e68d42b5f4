"""API keys: read once at start, kept as SHA-256 and compared in constant time.

`python -m service.api.keys new --scopes infer,train` makes a key; `--tenant NAME` says whose it is. It
prints the key, which is stored nowhere, and the line that goes into the file of keys. `python -m service.api.keys
ensure FILE` is for the first start of a service: if FILE does not exist, it makes a key with every scope, prints it and
writes its line to FILE.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile

from latentaug.runtime.settings import PREFIX, Settings
from latentaug.storage.tenants import TENANT

SCOPES = ("infer", "train", "admin")
EVERYBODY = "*"
"""Stands in place of a tenant in the line of a key that belongs to whoever runs the service."""
_HASHED = re.compile(r"sha256\$([0-9a-f]{64})")

_TENANT_RULE = f"use 1 to 64 small letters, digits, '_' or '-', the first a letter or digit, or {EVERYBODY}"


@dataclass(frozen=True)
class Key:
    """A key as it is kept.

    Attributes:
        digest: its hash.
        scopes: what it may do; no scope contains another.
        tenant: whose data sets, models and jobs it sees; None where that is not asked.
    """

    digest: bytes
    scopes: frozenset[str]
    tenant: str | None = None

    @property
    def owner(self) -> str:
        """A name for the key's owner that tells nothing about the key."""
        return self.digest.hex()[:16]


class Keys:
    """All keys that the service knows."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = tuple(keys)

    @property
    def open(self) -> bool:
        """Whether everyone may call, because there are no keys."""
        return not self._keys

    def find(self, token: str) -> Key | None:
        """Return the key that `token` is, or None. All keys are compared, so that the time taken reveals nothing."""
        digest = _digest(token)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found


def load(settings: Settings) -> Keys:
    """Read the keys that the settings give.

    Raises:
        ValueError: an entry is not a key, a file cannot be read or holds a plain key, or a setting for keys holds none.
    """
    keys: list[Key] = []
    if settings.api_keys is not None:
        entries = settings.api_keys.get_secret_value().split(",")
        keys += [_parse(entry.strip(), f"{PREFIX}API_KEYS", plain=True) for entry in entries if entry.strip()]
    if settings.api_keys_file is not None:
        keys += _read(settings.api_keys_file)
    configured = settings.api_keys is not None or settings.api_keys_file is not None
    if configured and not keys:
        where = f"{PREFIX}API_KEYS" if settings.api_keys_file is None else _file(settings.api_keys_file)
        raise ValueError(f"{where} has no key; make one: python -m service.api.keys new --scopes infer")
    return Keys(_of_tenant(key) if settings.tenants else replace(key, tenant=None) for key in keys)


def _of_tenant(key: Key) -> Key:
    """The key with the tenant that its line means: the one named, by default one of its own, or everybody."""
    return replace(key, tenant=None if key.tenant == EVERYBODY else key.tenant or key.owner)


def _read(file: Path) -> list[Key]:
    """Read a file of keys, which must be hashed."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ValueError(
            f"{_file(file)} cannot be read ({error.strerror}); name a file that this user may read"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{_file(file)} is not a file of text; it has one key on each line") from None
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    return [
        _parse(line, f"line {number} of {_file(file)}", plain=False)
        for number, line in numbered
        if line and not line.startswith("#")
    ]


def _file(file: Path) -> str:
    return f"{file} ({PREFIX}API_KEYS_FILE)"


def new(scopes: Sequence[str], tenant: str | None = None) -> tuple[str, str]:
    """Make a key, of a tenant if one is named. Return the key itself, and its line for the file of keys."""
    token = f"latentaug_{secrets.token_urlsafe(32)}"
    return token, f"sha256${_digest(token).hex()}:{'+'.join(scopes)}{f'@{tenant}' if tenant else ''}"


def ensure(file: Path) -> str | None:
    """If the file does not exist, make a key with every scope and write its line there, whole or not at all.

    Returns:
        The key, or None where the file existed.
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
    """Run the command line; `arguments` are those of the process unless they are given."""
    parser = argparse.ArgumentParser(prog="python -m service.api.keys", description="Make keys for the API.")
    commands = parser.add_subparsers(dest="command", required=True)
    for_new = commands.add_parser("new", help="make a key and print it, only this once")
    for_new.add_argument(
        "--scopes", required=True, help=f"what the key may do, separated by commas: {', '.join(SCOPES)}"
    )
    for_new.add_argument(
        "--tenant", help=f"whose key it is, where {PREFIX}TENANTS is set; {EVERYBODY} for who runs the service"
    )
    for_ensure = commands.add_parser("ensure", help="make a key with every scope if the file does not exist")
    for_ensure.add_argument("file", type=Path, help=f"the file that {PREFIX}API_KEYS_FILE names")
    chosen = parser.parse_args(arguments)
    if chosen.command == "ensure":
        token = ensure(chosen.file)
        print(f"key, shown this once: {token}" if token else f"{chosen.file} exists; nothing was changed")
        return
    scopes = chosen.scopes.split(",")
    if unknown := sorted(set(scopes) - set(SCOPES)):
        parser.error(f"unknown scope {', '.join(unknown)}; choose from {', '.join(SCOPES)}")
    if chosen.tenant is not None and not _names_tenant(chosen.tenant):
        parser.error(f"no tenant can be named {chosen.tenant}; {_TENANT_RULE}")
    token, line = new(scopes, chosen.tenant)
    print(f"key, shown this once:          {token}")
    print(f"line for {PREFIX}API_KEYS_FILE: {line}")


def _parse(entry: str, source: str, *, plain: bool) -> Key:
    """Read one `key:scope+scope` or `key:scope+scope@tenant`. The messages never show the key."""
    token, _, rest = entry.rpartition(":")
    listed, named, tenant = rest.partition("@")
    scopes = frozenset(listed.split("+"))
    if not token or not scopes <= set(SCOPES):
        raise ValueError(f"{source} has an entry that is not key:scope+scope; the scopes are {', '.join(SCOPES)}")
    if named and not _names_tenant(tenant):
        raise ValueError(f"{source} has a key whose tenant, after the @, has no name; {_TENANT_RULE}")
    if hashed := _HASHED.fullmatch(token):
        return Key(bytes.fromhex(hashed[1]), scopes, tenant or None)
    if not plain:
        raise ValueError(f"{source} holds a plain key; write only the sha256$... lines that `keys new` prints")
    return Key(_digest(token), scopes, tenant or None)


def _names_tenant(text: str) -> bool:
    return text == EVERYBODY or TENANT.fullmatch(text) is not None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


if __name__ == "__main__":
    main()
