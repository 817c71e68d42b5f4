"""Signatures of webhooks, by the Standard Webhooks scheme: HMAC-SHA256 over the message's id, time and body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

MARK = "whsec_"
"""What a secret begins with."""


def key_of(secret: str) -> bytes:
    """Return the bytes that a secret stands for.

    Raises:
        ValueError: it is not `whsec_` and base64 of 24 to 64 bytes.
    """
    try:
        key = base64.b64decode(secret.removeprefix(MARK), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(MARK) or not 24 <= len(key) <= 64:
        raise ValueError(f"must be {MARK} and base64 of 24 to 64 random bytes")
    return key


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a message.

    Args:
        secret: as `key_of` reads it.
        message_id: the same each time the message is sent, so that a receiver knows it again.
        timestamp: when it is sent, in seconds of Unix time.
        body: what is sent.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
