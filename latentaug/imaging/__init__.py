"""Images as bytes and as arrays, both ways; every limit on untrusted bytes is in here."""
