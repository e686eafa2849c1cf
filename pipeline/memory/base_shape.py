"""The shape of a base model, read from its config.json: no weights, no torch.

shape = read_shape(base_folder("tiny"))
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from data.bases import find_base
from data.errors import Code, UserError
from data.files import read_json


@dataclass(frozen=True)
class Shape:
    """What the formulas of pipeline.memory.terms need to know about a base.

    linears: (in, out) of every linear layer of one block.
    kept: bytes per token that a block's forward pass keeps for the backward pass, without attention scores.
    spared: the part of these that the last block does not keep for a token whose output is not used
        (models.fast.last_block).
    """

    width: int
    layers: int
    vocabulary: int
    positions: int
    heads: int
    kv_width: int
    mlp: int
    linears: tuple[tuple[int, int], ...]
    kept: int
    spared: int
    tied: bool

    @property
    def block_weights(self) -> int:
        return self.layers * sum(rows * columns for rows, columns in self.linears)

    @property
    def embedding_weights(self) -> int:
        return self.vocabulary * self.width * (1 if self.tied else 2) + self.positions * self.width

    def lora_weights(self, rank: int) -> int:
        return self.layers * sum(rank * (rows + columns) for rows, columns in self.linears)


def base_folder(base_model: str) -> Path:
    """The folder with the base's config.json. The base is downloaded or converted as for a training."""
    folder = find_base(base_model, _convert)
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{base_model}: no config.json in {folder}; this is not a model folder", code=Code.BASE
        )
    return folder


def _convert(file: Path, folder: Path) -> None:
    """Convert a GGUF file in a child process, because conversion needs torch. UserError if it fails."""
    command = [sys.executable, "-m", "models.gguf_base", str(file), str(folder)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or [f"ended with {done.returncode}"]
        raise UserError(f"{file.name}: the conversion failed: {reason[0]}", code=Code.BASE)


def read_shape(folder: Path) -> Shape:
    """The shape of a GPT-2-like or Llama-like base. Raises UserError for any other kind."""
    config = read_json(folder / "config.json")
    config = config.get("text_config") or config
    try:
        return _gpt2(config) if "n_embd" in config else _llama(config)
    except KeyError as error:
        raise UserError(
            f"{folder / 'config.json'}: {error} is missing; this kind of base is not supported",
            code=Code.BASE,
        ) from None


def _gpt2(config: dict) -> Shape:
    width, mlp = config["n_embd"], config.get("n_inner") or 4 * config["n_embd"]
    return Shape(
        width=width,
        layers=config["n_layer"],
        vocabulary=config["vocab_size"],
        positions=config["n_positions"],
        heads=config["n_head"],
        kv_width=width,
        mlp=mlp,
        linears=((width, 3 * width), (width, width), (width, mlp), (mlp, width)),
        # bf16: the inputs of two norms and four linear layers, queries, keys and values, the GELU's input.
        kept=2 * (2 * width + 3 * width + mlp + 3 * width + mlp),
        spared=2 * (2 * width + 2 * mlp),  # inputs of output layer and MLP, and the MLP's own activations
        tied=config.get("tie_word_embeddings", True),
    )


def _llama(config: dict) -> Shape:
    width, mlp, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    head = config.get("head_dim") or width // heads
    kv = head * (config.get("num_key_value_heads") or heads)
    attended = head * heads
    return Shape(
        width=width,
        layers=config["num_hidden_layers"],
        vocabulary=config["vocab_size"],
        positions=0,
        heads=heads,
        kv_width=kv,
        mlp=mlp,
        linears=(
            (width, attended), (width, kv), (width, kv), (attended, width), (width, mlp), (width, mlp),
            (mlp, width),
        ),
        # The norms keep their input in fp32. bf16: the inputs of attention, output layer and MLP, queries,
        # keys and values (repeated to all heads); the gate's input and output, the other half, the product.
        kept=2 * 4 * width + 2 * (2 * width + 4 * attended + 4 * mlp),
        spared=2 * (attended + width + 4 * mlp),
        tied=config.get("tie_word_embeddings", False),
    )  # fmt: skip
