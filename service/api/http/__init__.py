"""From the bytes of a request to values, and from values to the bytes of an answer."""
