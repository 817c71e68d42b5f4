"""Commands that measure. What they write is in docs/results."""
