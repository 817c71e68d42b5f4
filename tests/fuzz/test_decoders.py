"""Broken files of every form that is read: each is read or refused, in little time and memory."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.fuzz.decoders import DECODERS
from tests.fuzz.mutation import broken, fuzzed, tried

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("form", DECODERS)
def test_a_broken_file_is_read_or_refused(form: str) -> None:
    @fuzzed
    @given(data=broken(DECODERS[form].seeds))
    def check(data: bytes) -> None:
        for name, read in DECODERS[form].reads.items():
            tried(name, lambda read=read: read(data))

    check()
