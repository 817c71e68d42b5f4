"""The page: plain HTML, CSS and ES modules without a build step. It talks to the API as any other caller does."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).with_name("static")
