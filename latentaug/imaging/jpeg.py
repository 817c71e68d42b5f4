"""How often a JPEG goes over its pixels. Each scan, however short, costs as much time as all of the image's pixels."""

from __future__ import annotations

import re

_MARKER = re.compile(rb"\xff+([^\x00\x01\xff\xd0-\xd7])", re.S)
"""What ends the data of a scan: neither a stuffed byte nor one of the marks that stand alone within it."""
_SCAN, _START, _END = 0xDA, 0xD8, 0xD9


USUAL_SCANS, MOST_SCANS = 10, 100
"""Those that a progressive JPEG has, and that are read. 33 bytes make another, as costly as all of the pixels."""


def scans(data: bytes) -> int:
    """How many scans the first picture in a file has: `MOST_SCANS` + 1 for any more, and 1 for no more than is usual.

    What the file holds besides, such as thumbnails, further pictures or a film, does not count.

    Source: ITU-T T.81, annex B.
    """
    if not data.startswith(b"\xff\xd8") or data.count(b"\xff\xda") <= USUAL_SCANS:
        return 1
    found, place = 0, 2
    while found <= MOST_SCANS and (marker := _MARKER.search(data, place)):
        kind, place = marker[1][0], marker.end()
        if kind == _END:
            break
        if kind != _START:
            found += kind == _SCAN
            place += int.from_bytes(data[place : place + 2])  # of its segment
    return found
