"""`python -m bench.litserve_server <store url> <port> <largest batch> <device>`: the plain network behind LitServe.

It takes and returns npy bytes instead of the usual JSON, and LitServe's own batching joins requests of any number of
images, so that it is as fast as LitServe can be. It has one compute thread. There is no `from __future__ import
annotations` here, because LitServe reads the annotations as types.
"""

import io
import sys
from collections.abc import Sequence
from typing import Annotated

import litserve
import numpy as np
import torch
from fastapi import Body, Response

from bench import plain, workload
from latentaug.storage.objects import ArtefactStore

BATCH_TIMEOUT = 0.005
"""Seconds to wait for a batch to fill. At LitServe's default of 0 its worker keeps a core busy even when idle."""


class Augment(litserve.LitAPI):
    """One request is one npy of images; LitServe joins as many as wait, up to `max_batch_size`."""

    def setup(self, device: str) -> None:
        """Load the model, in the worker's process."""
        torch.set_num_threads(1)
        self.model = workload.plain_model(ArtefactStore(sys.argv[1]), device=device)

    def decode_request(self, request: Annotated[bytes, Body(media_type="application/x-npy")]) -> plain.Images:
        """Read npy bytes as uint8 [n, h, w, c]."""
        return workload.from_npy(request)

    def batch(self, inputs: Sequence[plain.Images]) -> Sequence[plain.Images]:
        """Return the requests of a batch as they are; `plain.augment` joins them."""
        return inputs

    def predict(self, x: Sequence[plain.Images]) -> list[plain.Images]:
        """Make the new images of each request."""
        return plain.augment(self.model, x, k=workload.CHILDREN, alpha=workload.ALPHA)

    def unbatch(self, output: list[plain.Images]) -> list[plain.Images]:
        """Return one answer for each request."""
        return output

    def encode_response(self, output: plain.Images) -> Response:
        """Write uint8 [m, h, w, c] as npy bytes."""
        written = io.BytesIO()
        np.save(written, output)
        return Response(written.getvalue(), media_type="application/x-npy")


if __name__ == "__main__":
    api = Augment(max_batch_size=int(sys.argv[3]), batch_timeout=BATCH_TIMEOUT)
    server = litserve.LitServer(api, accelerator=sys.argv[4], workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="warning")
