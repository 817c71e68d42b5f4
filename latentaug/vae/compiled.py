"""The paper's network on a processor, compiled by OpenVINO.

It computes the numbers of `FrozenVAE` up to rounding, in less time (docs/performance.md), in tiles of a fixed number of
rows. All tiles of a model share its weights.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentaug.vae.architectures import VAE, Architecture
from latentaug.vae.convolutions import subpixel_kernel
from latentaug.vae.inference import Frozen, frozen
from latentaug.vae.networks import Network

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
# OpenVINO would load it, write to the user's home and tell its makers that it is in use. None makes it do without.

try:
    import openvino as openvino  # noqa: PLC0414  # the benchmark takes it from here, where it tells nobody
    from openvino import opset15 as ops
except ImportError:  # there is none for this platform, and `latentaug.vae.inference` serves
    AVAILABLE = False
else:
    AVAILABLE = True

Array: TypeAlias = NDArray[np.generic]
Floats: TypeAlias = NDArray[np.float32]
Node: TypeAlias = Any
"""A value in a graph that OpenVINO compiles, [n, ...]."""

MOST_BYTES = 2**23
"""Weights of a network that is compiled, at most: it holds them twice. Those of the paper's for 28x28 take 3.5 MB."""
TRANSPOSED = "decoder.transposed_conv_1", "decoder.transposed_conv_2"


class CompiledTile:
    """A function of a fixed number of rows.

    Args:
        request: computes what stands in `rows`, by OpenVINO.
        rows: the buffer [tile, ...], to be filled before each `compute`.
        computed: another for what the request computes, float32 [tile, ...].
        finish: makes the results of it.
    """

    def __init__(
        self,
        request: openvino.InferRequest,
        rows: Array,
        computed: Floats,
        finish: Callable[[Floats], tuple[Array, ...]],
    ) -> None:
        self.rows = rows
        self._request = request
        self._computed = computed
        self._finish = finish

    def compute(self) -> tuple[Array, ...]:
        """Compute the function for `rows`: results [tile, ...] each, which the next call may overwrite."""
        self._request.infer(share_outputs=True)
        return self._finish(self._computed)


class CompiledVAE:
    """Encoder and decoder of the paper's VAE, compiled for the processor and torch's number of threads.

    Args:
        vae: the network. Its weights are copied.
        precision: the number format for decoding, float32 or bfloat16, as in `inference.frozen`.
    """

    def __init__(self, vae: VAE, precision: torch.dtype = torch.float32) -> None:
        a = vae.architecture
        self._size = a.height, a.width
        self._image = a.height, a.width, a.channels
        self._latent_dim = a.latent_dim
        self._layers = dict(_laid_out(vae))
        self._encoder = _compiled(self._encode(), "f32")
        self._decoder = _compiled(self._decode(), "bf16" if precision == torch.bfloat16 else "f32")
        self._decoding = dict[int, tuple[openvino.InferRequest, Array, Floats]]()

    def tile(self, name: Literal["encode", "decode", "render"], rows: int) -> CompiledTile:
        """A function of this many rows.

        `encode` maps uint8 [rows, h, w, c] to the mean and log-variance of q(z|x), float32 [rows, latent_dim] each,
        `decode` latents float32 [rows, latent_dim] to images float32 [rows, h, w, c] in 0..1, and `render` to images in
        grey levels, uint8. The last two share their memory, which for large images is more than that of the weights.
        """
        if name == "encode":
            images: Array = np.zeros((rows, *self._image), np.uint8)
            posterior = np.zeros((rows, 2 * self._latent_dim), np.float32)
            return CompiledTile(_request(self._encoder, images, posterior), images, posterior, self._halves)
        if rows not in self._decoding:
            latents, decoded = (
                np.zeros((rows, self._latent_dim), np.float32),
                np.zeros((rows, *self._image), np.float32),
            )
            self._decoding[rows] = _request(self._decoder, latents, decoded), latents, decoded
        return CompiledTile(*self._decoding[rows], _grey_levels if name == "render" else _unchanged)

    def _halves(self, posterior: Floats) -> tuple[Array, ...]:
        return posterior[:, : self._latent_dim], posterior[:, self._latent_dim :]

    def _encode(self) -> openvino.Model:
        images = ops.parameter([-1, *self._image], np.uint8)
        x = ops.transpose(ops.convert(images, "f32"), [0, 3, 1, 2])  # [n, c, h, w] in 0..255
        x = self._convolution("encoder.conv_1", x)  # [n, 16, h/2, w/2]
        x = self._convolution("encoder.conv_2", x)  # [n, 8, h/4, w/4]
        hidden = ops.relu(self._product("encoder.hidden", ops.reshape(x, [0, -1], True)))  # [n, hidden]
        return openvino.Model([self._product("posterior", hidden)], [images], "encode")  # [n, 2 latent_dim]

    def _decode(self) -> openvino.Model:
        latents = ops.parameter([-1, self._latent_dim], np.float32)
        half = _halved(self._size)
        quarter = _halved(half)
        hidden = ops.relu(self._product("decoder.hidden", latents))  # [n, hidden]
        flat = ops.relu(self._product("decoder.grid", hidden))  # [n, 8 * h/4 * w/4]
        x = ops.reshape(flat, [-1, 8, *quarter], False)  # [n, 8, h/4, w/4]
        x, factor = self._subpixels(TRANSPOSED[0], x, quarter)
        x = _interleaved(ops.relu(x), factor, half)  # [n, 16, h/2, w/2]
        x, factor = self._subpixels(TRANSPOSED[1], x, half)
        images = _interleaved(ops.sigmoid(x), factor, self._size)  # [n, c, h, w] in 0..1
        return openvino.Model([ops.transpose(images, [0, 2, 3, 1])], [latents], "decode")  # [n, h, w, c]

    def _convolution(self, name: str, x: Node) -> Node:
        """A convolution of stride 2 and its ReLU: [n, in, h, w] to [n, out, h/2, w/2]."""
        weight, bias = self._layer(name)
        return ops.relu(ops.add(ops.convolution(x, weight, [2, 2], [2, 2], [2, 2], [1, 1]), bias))

    def _subpixels(self, name: str, x: Node, size: tuple[int, int]) -> tuple[Node, int]:
        """What `convolutions.subpixels` gives of [n, in, *size], channels first, and its f."""
        weight, bias = self._layer(name)
        stride = self._layers[name][0].shape[-1] - 2
        end = [1 + side % stride for side in size]
        return ops.add(ops.convolution(x, weight, [stride, stride], [1, 1], end, [1, 1]), bias), 2 * stride

    def _product(self, name: str, x: Node) -> Node:
        """A fully connected layer: [n, in] to [n, out]."""
        weight, bias = self._layer(name)
        return ops.add(ops.matmul(x, weight, False, True), bias)

    def _layer(self, name: str) -> tuple[Node, Node]:
        """A layer's weight and bias."""
        weight, bias = self._layers[name]
        return ops.constant(weight, shared_memory=True), ops.constant(bias, shared_memory=True)


def load_runtime() -> None:
    """Load what compiling needs, before a model has to wait for it: it takes 0.2 seconds and 50 MiB."""
    if AVAILABLE:
        vae = CompiledVAE(VAE(Architecture(8, 8, 1, 1, hidden=1)))
        vae.tile("encode", 4).compute()
        vae.tile("decode", 4).compute()


def prepared(network: Network, precision: torch.dtype, device: torch.device) -> Frozen | CompiledVAE:
    """A trained network for inference, in the form that is fastest on a device.

    Args:
        network: its weights are copied.
        precision: as of `inference.frozen`.
        device: where it is to compute.
    """
    small = sum(weight.nbytes for weight in network.state_dict().values()) <= MOST_BYTES
    if AVAILABLE and device.type == "cpu" and isinstance(network, VAE) and small:
        return CompiledVAE(network, precision)
    return frozen(network, precision)


def _laid_out(vae: VAE) -> Iterator[tuple[str, tuple[Floats, Floats]]]:
    """The name, weight and bias of each layer, copied, as the graphs take them.

    The first convolution takes images in 0..255, so that they need not be divided.
    """
    weights = vae.state_dict()

    def layer(name: str) -> tuple[Tensor, Tensor]:
        return weights[f"{name}.weight"], weights[f"{name}.bias"]

    kernel, bias = layer("encoder.conv_1")
    convolutions = {"encoder.conv_1": (kernel / 255, bias), "encoder.conv_2": layer("encoder.conv_2")}
    convolutions |= {name: subpixel_kernel(*layer(name)) for name in TRANSPOSED}
    products = {name: layer(name) for name in ("encoder.hidden", "decoder.hidden", "decoder.grid")}
    mean, log_variance = layer("mean"), layer("log_variance")
    products["posterior"] = torch.cat([mean[0], log_variance[0]]), torch.cat([mean[1], log_variance[1]])
    for name, (kernel, bias) in convolutions.items():
        yield name, (_copied(kernel), _copied(bias[None, :, None, None]))
    for name, (weight, bias) in products.items():
        yield name, (_copied(weight), _copied(bias[None]))


def _copied(tensor: Tensor) -> Floats:
    """A copy in its natural layout."""
    copy: Floats = tensor.detach().numpy().copy()
    return copy


@cache
def _core() -> openvino.Core:
    """What compiles; one serves all models."""
    return openvino.Core()


def _compiled(graph: openvino.Model, precision: str) -> openvino.CompiledModel:
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # other processes share the cores
    }
    return _core().compile_model(graph, "CPU", settings)


def _request(model: openvino.CompiledModel, rows: Array, computed: Floats) -> openvino.InferRequest:
    """A request that takes what stands in `rows` and leaves in `computed` what the model makes of it."""
    request = model.create_infer_request()
    request.set_input_tensor(openvino.Tensor(rows, shared_memory=True))
    request.set_output_tensor(openvino.Tensor(computed, shared_memory=True))
    return request


def _interleaved(x: Node, factor: int, size: tuple[int, int]) -> Node:
    """What `convolutions.interleave` does, channels first: [n, f f out, ...] to [n, out, *size]."""
    return ops.slice(ops.depth_to_space(x, "blocks_first", factor), [0, 0], list(size), [1, 1], [2, 3])


def _unchanged(images: Floats) -> tuple[Array, ...]:
    return (images,)


def _grey_levels(images: Floats) -> tuple[Array, ...]:
    """What `inference.grey_levels` gives; the images are overwritten."""
    np.multiply(images, np.float32(255), out=images)
    return (np.rint(images, out=images).astype(np.uint8),)


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width after one convolution of stride 2."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2
