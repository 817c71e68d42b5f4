"""What answers a request at once: the API, the model server, and the protocol between them."""
