"""The networks that there are, made by their architecture, and their weights as bytes."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from latentaug.errors import MalformedInput
from latentaug.vae.architectures import VAE, Architecture
from latentaug.vae.residual import ResidualVAE

Network: TypeAlias = VAE | ResidualVAE

OLDER_NAMES = {
    "encoder.0": "encoder.conv_1",
    "encoder.2": "encoder.conv_2",
    "encoder.5": "encoder.hidden",
    "decoder.0": "decoder.hidden",
    "decoder.2": "decoder.grid",
    "decoder.5": "decoder.transposed_conv_1",
    "decoder.7": "decoder.transposed_conv_2",
}
"""The present name of each layer of the paper's network that earlier versions saved under a number."""


def build(architecture: Architecture) -> Network:
    """A network of this architecture, with torch's own first weights."""
    return ResidualVAE(architecture) if architecture.name == "residual" else VAE(architecture)


def untrained(architecture: Architecture, train: NDArray[np.uint8], seed: int) -> Network:
    """The network that training begins with, on the CPU.

    Args:
        architecture: of the network.
        train: uint8 [n, h, w, c], the training images, which decide some of the first weights.
        seed: of the other weights.
    """
    with torch.random.fork_rng(devices=[]):  # leaves the caller's random numbers as they were
        torch.manual_seed(seed)
        network = build(architecture)
        if isinstance(network, ResidualVAE):
            network.initialise(train)
        else:
            network.initialise(torch.tensor(train.mean(axis=(0, 1, 2)) / 255))
    return network


def to_bytes(network: Network) -> bytes:
    """Return the weights as safetensors; the same weights give the same bytes."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()})


def from_bytes(architecture: Architecture, data: bytes) -> Network:
    """Make a network of this architecture from `to_bytes`' bytes, on the CPU and in evaluation mode.

    Raises:
        MalformedInput: not safetensors, or names, shapes, types or values that are not this architecture's weights.
    """
    try:
        weights = load(data)
    except SafetensorError as error:
        raise MalformedInput(f"the weights are not safetensors: {error}; write them with to_bytes") from error
    return from_weights(architecture, {_present_name(name): tensor for name, tensor in weights.items()})


def from_weights(architecture: Architecture, weights: dict[str, Tensor]) -> Network:
    """Make a network of this architecture from its state dict, as `from_bytes` does."""
    with torch.device("meta"):  # no memory, and no random numbers for weights that are replaced at once
        network = build(architecture)
    expected = {name: (tensor.shape, tensor.dtype) for name, tensor in network.state_dict().items()}
    if {name: (tensor.shape, tensor.dtype) for name, tensor in weights.items()} != expected:
        raise MalformedInput(f"the weights are not those of {architecture}; give the architecture they were made with")
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise MalformedInput("the weights are not finite; train the model again")
    network.load_state_dict(weights, assign=True)
    return network.eval()


def _present_name(name: str) -> str:
    """The present name of a weight, which may have been saved under an older one."""
    layer, _, kind = name.rpartition(".")
    return f"{OLDER_NAMES.get(layer, layer)}.{kind}" if layer else kind
