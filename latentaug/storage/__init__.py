"""What rests: bytes under a path, and trained models."""
