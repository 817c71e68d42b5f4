"""The page for people: plain HTML, CSS and ES modules that talk to the API as any other caller does. No build step."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).with_name("static")
