"""The REST API: it reads and writes bytes, and leaves the computing to the model server and the jobs."""
