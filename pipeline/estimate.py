"""The memory that a stage will need above what its imports take, term by term, before it starts.

Every term is a formula over the base's shape (read from its config.json; no weights, no torch) and the
settings; `Term.formula` says which. The terms of a phase are in memory at the same time; the estimate is the
fixed terms plus the largest phase. Lengths count in full, so that real, shorter rows need less.

    print(estimate("ppo", build("ppo", "edge"), workspace).table())

Sources: activations of a block, 34 bytes per token and unit of width without attention scores (Korthikanti
et al. 2022, arXiv 2205.05198); Adam in fp32; QLoRA's 4-bit blocks of 64 (arXiv 2305.14314).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import UserError
from data.files import read_json
from data.workspace import Workspace
from pipeline.hardware import hardware
from pipeline.lineage import resolve_parents

_BYTES_A_WEIGHT = {"bf16": 2.0, "int8": 1.0, "int4": 0.5 + 4 / 64}  # int4: one fp32 scale a block of 64
_BLOCK_BYTES = 34  # saved for the backward pass, per token and unit of width
_LOGIT_BYTES = 12  # bf16 logits, their fp32 copy, and the gradient of both
_SAMPLING_BYTES = 12  # fp32 logits, probabilities and their cumulative sum


@dataclass(frozen=True)
class Shape:
    """What the formulas need of a base. `linears` are (in, out) of every linear layer of one block."""

    width: int
    layers: int
    vocabulary: int
    positions: int
    kv_width: int
    linears: tuple[tuple[int, int], ...]
    tied: bool

    @property
    def block_weights(self) -> int:
        return self.layers * sum(rows * columns for rows, columns in self.linears)

    @property
    def embedding_weights(self) -> int:
        return self.vocabulary * self.width * (1 if self.tied else 2) + self.positions * self.width

    def lora_weights(self, rank: int) -> int:
        return self.layers * sum(rank * (rows + columns) for rows, columns in self.linears)


@dataclass(frozen=True)
class Term:
    """One part of the memory; phase "" is there all the time."""

    name: str
    bytes: int
    formula: str
    phase: str = ""


@dataclass(frozen=True)
class Estimate:
    """The terms of a stage; `available` is the GPU's memory, or the machine's without a GPU."""

    stage: str
    terms: tuple[Term, ...]
    available: int

    @property
    def total(self) -> int:
        """Bytes at the peak: what is always there, and the largest phase."""
        phases = {term.phase for term in self.terms if term.phase}
        largest = max((sum(t.bytes for t in self.terms if t.phase == phase) for phase in phases), default=0)
        return sum(term.bytes for term in self.terms if not term.phase) + largest

    @property
    def fits(self) -> bool:
        return self.total <= self.available

    def table(self) -> str:
        """The terms as text, for the command line."""
        lines = [f"{'MB':>9}  {'phase':<9} {'term':<24} formula"]
        for term in self.terms:
            lines.append(
                f"{term.bytes / 1e6:>9.1f}  {term.phase or 'always':<9} {term.name:<24} {term.formula}"
            )
        verdict = (
            "fits" if self.fits else "does not fit: lower micro_batch_size or use gradient_checkpointing"
        )
        lines.append(
            f"{self.total / 1e6:>9.1f}  peak above imports; {self.available / 1e6:.0f} MB there: {verdict}"
        )
        return "\n".join(lines)


def estimate(stage: str, settings: Any, workspace: Workspace) -> Estimate:
    """The memory of an sft, reward or ppo run. Raises UserError when the base is not known or not at hand."""
    if stage != "sft" and not settings.base_model:
        _, settings = resolve_parents(stage, settings, workspace)
    shape = read_shape(base_folder(settings.base_model))
    terms = {"sft": _sft, "reward": _reward, "ppo": _ppo}[stage](settings, shape)
    machine = hardware()
    return Estimate(stage, tuple(terms), machine["vram_bytes"] or machine["ram_bytes"])


def base_folder(base_model: str) -> Path:
    """Where the base's config.json is; a hub base is fetched as training would fetch it."""
    if base_model == "tiny":
        folder = Path(__file__).resolve().parent.parent / "models" / "tiny" / "base"
    elif Path(base_model).is_dir():
        folder = Path(base_model)
    else:
        from data.hub import download_model

        folder = download_model(base_model)
    if not (folder / "config.json").is_file():
        raise UserError(f"{base_model}: no config.json in {folder}; this is not a model folder")
    return folder


def read_shape(folder: Path) -> Shape:
    """The shape of a GPT-2-like or Llama-like base from its config.json."""
    config = read_json(folder / "config.json")
    config = config.get("text_config") or config
    try:
        if "n_embd" in config:
            width, mlp = config["n_embd"], config.get("n_inner") or 4 * config["n_embd"]
            linears = ((width, 3 * width), (width, width), (width, mlp), (mlp, width))
            return Shape(
                width,
                config["n_layer"],
                config["vocab_size"],
                config["n_positions"],
                width,
                linears,
                config.get("tie_word_embeddings", True),
            )
        width, mlp = config["hidden_size"], config["intermediate_size"]
        heads = config["num_attention_heads"]
        head = config.get("head_dim") or width // heads
        kv = head * (config.get("num_key_value_heads") or heads)
        linears = (
            (width, head * heads),
            (width, kv),
            (width, kv),
            (head * heads, width),
            (width, mlp),
            (width, mlp),
            (mlp, width),
        )
        return Shape(
            width,
            config["num_hidden_layers"],
            config["vocab_size"],
            0,
            kv,
            linears,
            config.get("tie_word_embeddings", False),
        )
    except KeyError as error:
        raise UserError(
            f"{folder / 'config.json'}: {error} is missing; this kind of base is not known"
        ) from None


def _sft(settings: Any, shape: Shape) -> list[Term]:
    tokens = settings.micro_batch_size * settings.max_length
    return [
        _base("base", settings.precision, shape),
        _trained("adapter in training", shape, settings.lora_rank),
        _activations(tokens, settings, shape, "update"),
        Term(
            "logits",
            tokens * shape.vocabulary * _LOGIT_BYTES,
            f"{tokens} tokens x {shape.vocabulary} x {_LOGIT_BYTES}",
            "update",
        ),
    ]


def _reward(settings: Any, shape: Shape) -> list[Term]:
    tokens = 2 * settings.micro_batch_size * settings.max_length  # chosen and rejected
    return [
        _base("base", settings.precision, shape),
        _trained("adapter in training", shape, settings.lora_rank),
        _activations(tokens, settings, shape, "update"),
    ]


def _ppo(settings: Any, shape: Shape) -> list[Term]:
    shared = settings.mode == "shared"
    terms = [_base("policy base", settings.precision if shared else "bf16", shape)]
    if not shared and settings.precision != "bf16":
        terms.append(_base("reward model's base", settings.precision, shape))
    frozen = 2 * shape.lora_weights(settings.lora_rank) * 4
    tokens = settings.micro_batch_size * settings.max_length
    answered = settings.micro_batch_size * settings.response_length
    batch = settings.batch_size
    cache = batch * settings.max_length * shape.layers * 2 * shape.kv_width * 2
    return [
        *terms,
        _trained("policy adapter", shape, settings.lora_rank),
        Term("reference and reward", frozen, "2 frozen adapters in fp32"),
        Term(
            "KV cache",
            cache,
            f"{batch} x {settings.max_length} tokens x {shape.layers} layers x 2 x {shape.kv_width} x 2",
            "rollout",
        ),
        Term(
            "sampling",
            batch * shape.vocabulary * _SAMPLING_BYTES,
            f"{batch} x {shape.vocabulary} x {_SAMPLING_BYTES}",
            "rollout",
        ),
        _activations(tokens, settings, shape, "update"),
        Term(
            "response logits",
            answered * shape.vocabulary * _LOGIT_BYTES,
            f"{answered} tokens x {shape.vocabulary} x {_LOGIT_BYTES}",
            "update",
        ),
    ]


def _base(name: str, precision: str, shape: Shape) -> Term:
    each = _BYTES_A_WEIGHT[precision]
    size = int(shape.block_weights * each) + shape.embedding_weights * 2
    return Term(
        name,
        size,
        f"{precision}: {shape.block_weights} x {each:g} + embeddings {shape.embedding_weights} x 2",
    )


def _trained(name: str, shape: Shape, rank: int) -> Term:
    weights = shape.lora_weights(rank)
    return Term(name, weights * 16, f"{weights} x 16: fp32 weights, gradients, two moments of Adam")


def _activations(tokens: int, settings: Any, shape: Shape, phase: str) -> Term:
    """A block keeps its own activations and, for LoRA, an fp32 copy of the input of each linear layer."""
    block = tokens * (_BLOCK_BYTES * shape.width + 4 * sum(rows for rows, _ in shape.linears))
    if settings.gradient_checkpointing:
        size = block + shape.layers * tokens * shape.width * 2
        return Term("activations", size, f"checkpointed: one block and {shape.layers} inputs", phase)
    return Term(
        "activations",
        shape.layers * block,
        f"{shape.layers} blocks x {tokens} tokens x {block // tokens}",
        phase,
    )
