"""The note in a home that says where its service listens."""

from __future__ import annotations

from pathlib import Path

from service.stack import address
from service.stack.address import Address


def test_a_note_is_read_as_it_was_written_until_it_is_taken_away(tmp_path: Path) -> None:
    assert address.noted(tmp_path) is None
    for noted in (Address("http://127.0.0.1:8000", passing=False), Address("http://[::1]:9", passing=True)):
        address.note(tmp_path, noted)
        assert address.noted(tmp_path) == noted
    address.forget(tmp_path)
    address.forget(tmp_path)
    assert address.noted(tmp_path) is None


def test_what_is_no_note_is_none(tmp_path: Path) -> None:
    (tmp_path / address.NAME).write_text("something else")
    assert address.noted(tmp_path) is None
