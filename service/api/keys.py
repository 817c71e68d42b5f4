"""API keys: read once at start, kept as SHA-256, compared in constant time.

`python -m service.api.keys new --scopes infer,train` makes one: it prints the key, which is stored nowhere, and the line
for the keys file.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from latentaug.errors import Forbidden, Unauthenticated
from latentaug.settings import Settings

SCOPES = ("infer", "train", "admin")
_HASHED = re.compile(r"sha256\$([0-9a-f]{64})")

bearer: SecurityBase = HTTPBearer(
    auto_error=False, description="An API key. Optional where the service listens on a loopback address without keys."
)
