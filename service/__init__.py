"""What answers a request at once: the API, the model server, and the Open Inference Protocol between them."""
