"""The Open Inference Protocol, version 2, with its binary tensor extension: bytes to named arrays and back."""
