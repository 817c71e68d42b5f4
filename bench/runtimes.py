"""The plain network converted for OpenVINO and for ONNX Runtime, as their makers tell one to, with one thread."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from bench.plain import PlainModel, PlainVAE
from latentaug.vae.compiled import openvino

Run: TypeAlias = Callable[[Tensor], Any]
Convert: TypeAlias = Callable[[nn.Module, Tensor], Run]


class Encoder(nn.Module):
    """Maps float32 [n, c, h, w] in 0..1 to means [n, latent_dim]."""

    def __init__(self, vae: PlainVAE) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, x: Tensor) -> Tensor:
        """Encode."""
        return self.vae.encode(x)[0]


class Decoder(Encoder):
    """Maps latents [n, latent_dim] to float32 [n, c, h, w] in 0..1."""

    def forward(self, x: Tensor) -> Tensor:
        """Decode."""
        return self.vae.decode(x)


class Converted:
    """The plain network's encoder and decoder, each converted once for every number of rows that comes."""

    def __init__(self, vae: PlainVAE, convert: Convert) -> None:
        vae.requires_grad_(False)

        @cache
        def converted(module: nn.Module, shape: torch.Size) -> Run:
            return convert(module, torch.zeros(shape))

        self._converted = converted
        self._encoder, self._decoder = Encoder(vae), Decoder(vae)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map as `PlainVAE.encode` does; no log-variance is computed, and the mean stands for it."""
        mean = torch.from_numpy(self._converted(self._encoder, x.shape)(x))
        return mean, mean

    def decode(self, z: Tensor) -> Tensor:
        """Map as `PlainVAE.decode` does."""
        return torch.from_numpy(self._converted(self._decoder, z.shape)(z))


def converted(model: PlainModel, convert: Convert) -> PlainModel:
    """The same model, computed by a runtime."""
    assert isinstance(model.vae, PlainVAE)
    return model._replace(vae=Converted(model.vae, convert))


def by_openvino(module: nn.Module, example: Tensor) -> Run:
    """Convert for OpenVINO and this shape."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it traces, which PyTorch advises against
        graph = openvino.convert_model(module, example_input=example, input=[list(example.shape)])
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    request = openvino.Core().compile_model(graph, "CPU", settings).create_infer_request()
    return lambda x: request.infer([x.contiguous().numpy()], share_inputs=True, share_outputs=True)[0]


def by_onnx_runtime(module: nn.Module, example: Tensor) -> Run:
    """Convert for ONNX Runtime and this shape."""
    onnxruntime = import_module("onnxruntime")  # of the `bench` extra, while tests import this module
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        torch.onnx.export(module, (example,), path, dynamo=False, input_names=["x"])
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: np.asarray(session.run(None, {"x": x.contiguous().numpy()})[0])
