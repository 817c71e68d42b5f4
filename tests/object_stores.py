"""An object store that tests name, and that need not be there."""

from __future__ import annotations

import pytest

URL = "s3://bucket/prefix"


def name(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have object stores asked for at this address, with any key; return the URL of one."""
    for variable, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(variable, value)
    return URL
