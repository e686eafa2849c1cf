"""Formulas for the memory of SFT, reward modelling and PPO: one function per term, all in bytes, no torch.

Each term follows from the code that makes the tensors: models.fast.lora and models.fast.attention determine
what the backward pass keeps, models.fast.logprobs how many logits exist at once, models.precision how a base
is stored. The constants at the top are measured or taken from the libraries; none depends on a case. A term
without a phase exists all the time; the terms of one phase exist together. `pipeline.memory.estimate` adds
them up.

Sources: activations that a block keeps, Korthikanti et al. 2022 (arXiv 2205.05198); Adam with fp32 weights;
4-bit blocks of 64 weights with doubly quantised scales, QLoRA (arXiv 2305.14314); int8, one scale per row
(arXiv 2208.07339).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.memory.base_shape import Shape
from pipeline.memory.row_lengths import RowLengths

BYTES_QUANTISED = {"int8": 1.0, "int4": 0.5 + 1 / 64}  # per weight
CHUNK_LOGITS = 14_000_000  # models.fast.logprobs.CHUNK_LOGITS, which needs torch; a test compares them
EVALUATED = 2**25  # pipeline.training.measure.MAX_LOGITS, likewise
LONGEST = 1024  # models.fast.attention.LONGEST, likewise
INT8_EVALUATED = 16  # bytes per output of an int8 layer on a CPU: int32 sums, three fp32 steps to bf16
LIBRARIES = 85_000_000  # bytes that a CPU process takes for any model: see `always`
KEPT_BACK = 0.10  # share of temporarily used memory that stays allocated on a CPU: see `kept_back`
MOST_PACKED = 2**29  # models.fast.decoding.MOST_BYTES, likewise
REPORTED = 64  # prompts answered at once in the final report: pipeline.training.measure.respond's batch_size
SAMPLES = 4  # answers after each evaluation of SFT


@dataclass(frozen=True)
class Term:
    """One part of the memory; a term with phase "" exists all the time."""

    name: str
    bytes: int
    formula: str
    phase: str = ""


@dataclass(frozen=True)
class Plan:
    """The input of the formulas: the base, the stage's settings, its rows, and where it runs.

    wide: bytes of an unquantised number, weight or activation: 2, or 4 if models.precision uses fp32 because
    the CPU has no bf16 products.
    """

    shape: Shape
    settings: Any
    rows: RowLengths
    cpu: bool
    wide: int = 2


def sft(plan: Plan) -> list[Term]:
    """SFT: updates on micro-batches, a validation pass on twice as many rows, a few sampled answers."""
    settings, shape = plan.settings, plan.shape
    micro, row = settings.micro_batch_size, plan.rows.answered(settings.max_length)
    answered = micro * plan.rows.response(settings.max_length)
    return [
        base(plan, "base", settings.precision),
        trained(shape, settings.lora_rank),
        *always(plan),
        *update(plan, micro, row, answered),
        logits(plan, answered, "update"),
        *forward(plan, settings.precision, 2 * micro, row, "evaluate"),
        logits(plan, 2 * answered, "evaluate"),
        *sampling(plan, settings.precision, SAMPLES, row, "sample"),
    ]


def reward(plan: Plan) -> list[Term]:
    """Reward: updates on pairs (one row with a shared prompt, or two rows), validation, final scoring."""
    settings, shape = plan.settings, plan.shape
    micro, single = settings.micro_batch_size, plan.rows.either(settings.max_length)
    shared = settings.share_prompts and not settings.split_base
    rows, row = (micro, plan.rows.pair(settings.max_length)) if shared else (2 * micro, single)
    return [
        base(plan, "base", settings.precision, head=False),
        trained(shape, settings.lora_rank),
        *always(plan),
        *update(plan, rows, row, 2 * micro if shared else rows * row),
        *forward(plan, settings.precision, 2 * rows, row, "evaluate"),
        *forward(plan, settings.precision, 2 * micro, single, "score"),
    ]


def judge(plan: Plan) -> list[Term]:
    """A judge takes what a reward model takes: the same passes, a larger adapter."""
    return reward(plan)


def ppo(plan: Plan) -> list[Term]:
    """PPO: one base or two, three adapters; sampling, passes over the rollout, updates."""
    settings, shape = plan.settings, plan.shape
    common = settings.mode == "shared"
    policy = settings.precision if common else "bf16"
    scoring = settings.scoring or settings.precision
    own = settings.reward == "model" and scoring != policy
    micro = min(settings.micro_batch_size, max(1, settings.batch_size // settings.num_minibatches))
    room = max(1, settings.max_length - settings.response_length)
    row = plan.rows.prompt(room) + settings.response_length
    asked, held_out = min(REPORTED, settings.eval_prompts), settings.response_length
    answers = min(32, max(1, EVALUATED // (shape.vocabulary * held_out)))
    head = kept_head(plan)
    frozen = shape.lora_weights(settings.lora_rank) * (2 if settings.reward == "model" else 1)
    return [
        base(plan, "policy's base", policy),
        *([base(plan, "reward model's base", scoring, head=False)] if own else []),
        trained(shape, settings.lora_rank),
        Term("frozen adapters", frozen * 4, f"reference and reward model: {frozen} x 4, fp32"),
        *always(plan),
        *head,
        *prompting(plan, policy, settings.batch_size, row - held_out, row, "rollout's prompts", bool(head)),
        *sampling(plan, policy, settings.batch_size, row, "rollout", head_kept=bool(head)),
        *forward(plan, policy, 2 * micro, row, "pass"),
        logits(plan, 2 * micro * settings.response_length, "pass"),
        *forward(plan, scoring if scoring in BYTES_QUANTISED else "bf16", 2 * micro, row, "score"),
        *update(plan, micro, row, micro * row),  # responses use most outputs: the last block counts fully
        logits(plan, micro * settings.response_length, "update"),
        *prompting(plan, policy, asked, row - held_out, row, "report's prompts", bool(head)),
        *sampling(plan, policy, asked, row, "report", head_kept=bool(head)),
        *forward(plan, policy, answers, row, "report's KL"),
        report_logits(plan, answers * held_out, "report's KL"),
    ]


def base(plan: Plan, name: str, precision: str, *, head: bool = True) -> Term:
    """Blocks in the precision, embeddings and language-model head unquantised."""
    shape, wide = plan.shape, plan.wide
    each, tables = BYTES_QUANTISED.get(precision, wide), shape.embedding_weights
    if not head and not shape.tied:
        tables -= shape.vocabulary * shape.width
    size = int(shape.block_weights * each) + tables * wide
    return Term(
        name, size, f"{precision}: {shape.block_weights} x {each:g} + {tables} x {wide} in embeddings"
    )


def trained(shape: Shape, rank: int) -> Term:
    weights = shape.lora_weights(rank)
    return Term(
        "adapter in training",
        weights * 20,
        f"{weights} x 20: fp32 weights, gradients, two moments of Adam, a copy of the start",
    )


def always(plan: Plan) -> list[Term]:
    """On a CPU: torch, its kernels, thread pools and late imports. On a GPU: the matrix products' workspace.

    The CPU figure is measured: the least that a stage on a base of a few MB takes above its imports, less the
    other terms. On a GPU only torch's own tensors count.
    """
    if plan.cpu:
        return [Term("libraries", LIBRARIES, "code, kernels, thread pools, late imports; measured once")]
    return [Term("workspace", 8 * 4096 * 1024, "cuBLAS: 8 x 4096 KiB, as CUBLAS_WORKSPACE_CONFIG asks")]


def update(plan: Plan, rows: int, row: int, read: int) -> list[Term]:
    """Forward and backward pass of `rows` rows of `row` tokens; `read` final states are used."""
    shape, tokens, wide = plan.shape, rows * row, plan.wide
    probabilities = _probabilities(plan, rows, row)
    kept_a_token = (shape.kept + 2 * plan.settings.lora_rank * len(shape.linears)) * wide // 2
    block = tokens * kept_a_token + probabilities
    what = f"{tokens} tokens x {kept_a_token} + {probabilities} of attention"
    if plan.settings.gradient_checkpointing:
        inputs = tokens * shape.width * wide
        kept, formula = block + shape.layers * inputs, f"one block: {what}; {shape.layers} inputs x {inputs}"
    else:
        spared = (tokens - read) * shape.spared * wide // 2
        kept, formula = shape.layers * block - spared, f"{shape.layers} blocks x ({what}) - {spared} unread"
    # The backward pass holds, in the MLP, two gradients of its width and two of the states' width; in
    # attention, those of probabilities and products, and of queries, keys and values.
    attention = 2 * probabilities + tokens * 6 * wide * shape.width
    gradient = max(tokens * wide * (2 * shape.mlp + 2 * shape.width), attention)
    weights = _dequantised(plan, plan.settings.precision)
    terms = [
        Term("activations", kept, formula, "update"),
        Term("gradients", gradient, "of one block's MLP or attention", "update"),
    ]
    if weights:
        terms.append(Term("dequantised layer", weights, "the largest of a block, twice", "update"))
    return terms + kept_back(plan, kept + gradient, "update")


def forward(plan: Plan, precision: str, rows: int, row: int, phase: str) -> list[Term]:
    """A pass without gradients: the states, and the MLP or the attention of one block.

    Attention takes mask, products and probabilities, and queries, keys and values twice.
    """
    shape, tokens, wide = plan.shape, rows * row, plan.wide
    outputs = max(out for _, out in shape.linears)
    # In the MLP: four tensors of the states' width, three of its own, and fp32 sums of the product; measured.
    a_token = wide * (4 * shape.width + 3 * shape.mlp) + (4 * shape.mlp if plan.cpu else 0)
    if precision == "int8" and plan.cpu:
        a_token += INT8_EVALUATED * outputs
    attention = 3 * _probabilities(plan, rows, row) + tokens * 8 * wide * shape.width
    size = max(tokens * a_token, attention)
    formula = f"the larger of {tokens} tokens x {a_token} and {attention} in attention"
    return [
        Term("one block", size, formula, phase),
        *([Term("dequantised layer", w, "the largest of a block, twice", phase)]
          if (w := _dequantised(plan, precision)) else []),
        *kept_back(plan, size, phase),
    ]  # fmt: skip


def logits(plan: Plan, tokens: int, phase: str) -> Term:
    """models.fast.logprobs: chunks of logits, unconverted and in fp32, and two rows of states per token."""
    chunk = min(CHUNK_LOGITS, tokens * plan.shape.vocabulary)
    each, states = plan.wide + 4, tokens * plan.shape.width * 8
    return Term("logits", chunk * each + states, f"{chunk} x {each} + {tokens} tokens' states x 8", phase)


def sampling(
    plan: Plan, precision: str, rows: int, row: int, phase: str, *, head_kept: bool = False
) -> list[Term]:
    """Keys and values, the logits and probabilities of one step, and weights laid out for few rows."""
    shape = plan.shape
    position = shape.layers * 2 * shape.kv_width * plan.wide
    cache = rows * row * position
    step = rows * shape.vocabulary * 16
    terms = [
        Term("keys and values", cache, f"{rows} x {row} x {position}", phase),
        Term("one step", step, f"{rows} x {shape.vocabulary} x 16: logits and probabilities in fp32", phase),
    ]
    return [
        *terms,
        *rearranged(plan, precision, phase, head_kept=head_kept),
        *kept_back(plan, cache + step, phase),
    ]


def prompting(
    plan: Plan, precision: str, rows: int, prompt: int, row: int, phase: str, head_kept: bool
) -> list[Term]:
    """Sampling's first pass, over the prompts; on a CPU keys and values of the responses are added later."""
    there = prompt if plan.cpu else row
    return [
        *sampling(plan, precision, rows, there, phase, head_kept=head_kept),
        *forward(plan, precision, rows, prompt, phase),
    ]


def rearranged(plan: Plan, precision: str, phase: str, *, head_kept: bool) -> list[Term]:
    """On a CPU with bf16 products: a packed copy of a small bf16 base's matrices (models.fast.decoding), and
    of the head unless it is packed already.
    """
    shape, head = plan.shape, _head(plan)
    if not plan.cpu or plan.wide != 2:
        return []
    terms = []
    if precision == "bf16" and 2 * shape.block_weights + head <= MOST_PACKED:
        terms.append(Term("packed weights", 2 * shape.block_weights, f"{shape.block_weights} x 2", phase))
    if not head_kept:
        terms.append(Term("head, rearranged", head, "the product's own copy of the head, bf16", phase))
    return terms


def kept_head(plan: Plan) -> list[Term]:
    """On a CPU with bf16 products PPO keeps a packed head of moderate size (models.fast.decoding)."""
    head = _head(plan)
    if not plan.cpu or plan.wide != 2 or head > MOST_PACKED:
        return []
    return [Term("head, packed", head, "a second copy of the language-model head, bf16")]


def report_logits(plan: Plan, tokens: int, phase: str) -> Term:
    """pipeline.training.measure: logits of a chunk, unconverted and in fp32, and their log-probabilities."""
    each = plan.wide + 8
    size = tokens * plan.shape.vocabulary * each
    return Term("logits of a chunk", size, f"{tokens} tokens x {plan.shape.vocabulary} x {each}", phase)


def kept_back(plan: Plan, used: int, phase: str) -> list[Term]:
    """Gaps that the C library's allocator holds on top of the used memory; measured."""
    if not plan.cpu:
        return []
    return [Term("gaps", int(used * KEPT_BACK), f"allocator: {KEPT_BACK:.0%} of the above", phase)]


def _probabilities(plan: Plan, rows: int, row: int) -> int:
    """Attention probabilities that models.fast.attention keeps on a CPU, up to its LONGEST; fused kernels
    keep none."""
    return rows * plan.shape.heads * row * row * plan.wide if plan.cpu and row <= LONGEST else 0


def _head(plan: Plan) -> int:
    return 2 * plan.shape.vocabulary * plan.shape.width


def _dequantised(plan: Plan, precision: str) -> int:
    if precision == "bf16":
        return 0
    return (plan.wide + 4) * max(rows * columns for rows, columns in plan.shape.linears)
