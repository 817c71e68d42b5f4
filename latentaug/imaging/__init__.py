"""Images as bytes and as arrays, and every limit on image bytes from callers."""
