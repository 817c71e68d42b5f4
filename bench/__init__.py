"""Commands that measure: each prints what stands in docs/."""
