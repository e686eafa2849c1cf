"""Trains the embedded base: a byte-level BPE tokenizer and a small GPT-2, both only on the tiny world.

The dialogues are drawn on demand and never repeat. Each dialogue is a separate row that starts at position 0,
as when the model answers later; rows of similar length share a batch. The base learns both good and bad
answers; later stages teach the difference. Hidden matrices are trained with Muon (Jordan 2024,
torch.optim.Muon), the rest with AdamW; the learning rate warms up, stays constant, and falls to zero over the
last third. Answers are evaluated by `python -m pipeline evaluate`.

    python -m pipeline pretrain --set max_steps=2000
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from data.errors import Code, UserError
from data.files import sync_tree
from data.workspace import Workspace
from data.world import dialogues
from models import base_files
from models.precision import float_type
from pipeline.runs import checkpoints
from pipeline.runs.record import Cancelled, Run
from pipeline.settings.fields import PretrainSettings

EOS, PAD = "<|endoftext|>", "<|pad|>"
PROMPT_WEIGHT = 0.3  # weight of a prompt token's loss: questions contain names, which cannot be predicted
CHUNK = 4096  # number of dialogues that are sorted by length together
MUON_LR = 0.02


def train_tokenizer(vocab_size: int, seed: int, rows: int = 30_000) -> PreTrainedTokenizerFast:
    """Byte-level BPE over the world's dialogues; each digit is a token. The EOS has id 0, the pad id 1."""
    stream = dialogues(seed)
    texts = (prompt + " " + response for prompt, response in (next(stream) for _ in range(rows)))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=EOS, bos_token=EOS, pad_token=PAD)


def new_model(settings: PretrainSettings, tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """A new GPT-2 in fp32; gelu_pytorch_tanh is GPT-2's gelu_new in one kernel."""
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=settings.max_length,
        n_embd=settings.width,
        n_layer=settings.layers,
        n_head=settings.heads,
        activation_function="gelu_pytorch_tanh",
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return GPT2LMHeadModel(config)


class Batches:
    """An endless stream of (ids [B, T], weights [B, T]) that can start at any batch.

    weights are 0 on padding, `PROMPT_WEIGHT` on prompt tokens and 1 on the answer and its EOS.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerFast, batch_size: int, max_length: int, seed: int):
        self.tokenizer, self.batch_size, self.max_length, self.seed = tokenizer, batch_size, max_length, seed

    def __call__(self, start: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batches from number `start` on. A chunk's dialogues depend only on the seed and the chunk's
        number."""
        per_chunk = max(1, CHUNK // self.batch_size)
        number = start // per_chunk
        skip = start % per_chunk
        while True:
            batches = self._chunk(number, per_chunk)
            yield from batches[skip:]
            number, skip = number + 1, 0

    def _chunk(self, number: int, per_chunk: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        seed = self.seed * 1_000_003 + number
        stream = dialogues(seed)
        pairs = [next(stream) for _ in range(per_chunk * self.batch_size)]
        prompts = self.tokenizer([p for p, _ in pairs], add_special_tokens=False)["input_ids"]
        answers = self.tokenizer([" " + r for _, r in pairs], add_special_tokens=False)["input_ids"]
        rows = [(p, [*a, self.tokenizer.eos_token_id]) for p, a in zip(prompts, answers, strict=True)]
        rows.sort(key=lambda row: len(row[0]) + len(row[1]))
        batches = [self._batch(rows[k : k + self.batch_size]) for k in range(0, len(rows), self.batch_size)]
        random.Random(seed).shuffle(batches)
        return batches

    def _batch(self, rows: list[tuple[list[int], list[int]]]) -> tuple[torch.Tensor, torch.Tensor]:
        length = min(self.max_length, max(len(p) + len(a) for p, a in rows))
        ids = torch.full((len(rows), length), self.tokenizer.pad_token_id)
        weights = torch.zeros(len(rows), length)
        for k, (prompt, answer) in enumerate(rows):
            row = (prompt + answer)[:length]
            ids[k, : len(row)] = torch.tensor(row)
            weights[k, : len(row)] = 1.0
            weights[k, : min(len(prompt), length)] = PROMPT_WEIGHT
        return ids, weights


def weighted_loss(model: torch.nn.Module, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Weighted mean of the next-token cross-entropy, in nats. ids, weights [B, T] -> scalar."""
    narrow = float_type(ids.device)
    with torch.autocast(ids.device.type, dtype=torch.bfloat16, enabled=narrow == torch.bfloat16):
        hidden = model.transformer(ids).last_hidden_state[:, :-1]
        keep = weights[:, 1:] > 0
        logits = model.lm_head(hidden[keep])  # [tokens, V]; padding never reaches the head
    loss = F.cross_entropy(logits.float(), ids[:, 1:][keep], reduction="none")
    return (loss * weights[:, 1:][keep]).sum() / weights[:, 1:].sum()


def optimizers(model: torch.nn.Module, learning_rate: float) -> list[torch.optim.Optimizer]:
    hidden = [p for name, p in model.named_parameters() if p.ndim == 2 and ".h." in name]
    rest = [p for name, p in model.named_parameters() if not (p.ndim == 2 and ".h." in name)]
    return [
        torch.optim.Muon(hidden, lr=MUON_LR, weight_decay=0.01),
        torch.optim.AdamW(rest, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def schedule(step: int, total: int, warmup: int = 50) -> float:
    """Factor on the learning rate: it warms up, stays at 1, and falls linearly to 0 over the last third."""
    fall = max(1, total // 3)
    return min(1.0, (step + 1) / warmup, (total - step) / fall)


def pretrain(settings: PretrainSettings, run: Run, workspace: Workspace) -> dict:
    """Train tokenizer and base into the run's model folder; returns losses (nats per token) and token
    counts."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = train_tokenizer(settings.vocab_size, settings.seed)
    model = new_model(settings, tokenizer).to(device).train()
    made = optimizers(model, settings.learning_rate)
    base_rates = [optimizer.param_groups[0]["lr"] for optimizer in made]
    step, tokens = 0, 0
    if found := checkpoints.latest(run.checkpoints_dir):
        step, folder = found
        state = torch.load(folder / "state.pt", map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(made, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        tokens = state["tokens"]
        run.cut_back(step)

    def write(folder: Path) -> None:
        state = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in made], "tokens": tokens}
        torch.save(state, folder / "state.pt")

    run.set_total(settings.max_steps)
    held_out = next(Batches(tokenizer, 512, settings.max_length, settings.seed + 1)())
    batches = Batches(tokenizer, settings.batch_size, settings.max_length, settings.seed)(step)
    while step < settings.max_steps:
        factor = schedule(step, settings.max_steps)
        for optimizer, rate in zip(made, base_rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * factor
        ids, weights = (t.to(device) for t in next(batches))
        loss = weighted_loss(model, ids, weights)
        if not torch.isfinite(loss):
            raise UserError(
                f"pretrain: the loss became {loss.item()} at step {step + 1}",
                code=Code.UNSTABLE,
            )
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in made:
            optimizer.step()
            optimizer.zero_grad()
        step += 1
        tokens += int((weights > 0).sum())
        row = {
            "step": step,
            "loss": loss.item(),
            "grad_norm": norm.item(),
            "lr": base_rates[1] * factor,
            "tokens": tokens,
        }
        if step % 100 == 0 or step == settings.max_steps:
            row["eval_loss"] = _held_out_loss(model, held_out, device)
        run.log(row)
        if step % settings.save_steps == 0 or run.should_stop():
            run.sync_logs()
            checkpoints.save(run.checkpoints_dir, step, write)
        if run.should_stop():
            raise Cancelled
    save_base(model, tokenizer, run.model_dir)
    parameters = sum(p.numel() for p in model.parameters())
    return {"eval_loss": _held_out_loss(model, held_out, device), "tokens": tokens, "parameters": parameters}


@torch.no_grad()
def _held_out_loss(
    model: torch.nn.Module, batch: tuple[torch.Tensor, torch.Tensor], device: torch.device
) -> float:
    return weighted_loss(model, *(t.to(device) for t in batch)).item()


def save_base(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Save the model in bf16 safetensors, its tokenizer and a card, in the form that transformers loads;
    synced."""
    tokenizer.save_pretrained(folder)
    state = {name: tensor.to(torch.bfloat16).cpu() for name, tensor in model.state_dict().items()}
    copy = GPT2LMHeadModel(model.config).to(torch.bfloat16)
    copy.load_state_dict(state)
    copy.save_pretrained(folder, safe_serialization=True)
    base_files.seal(folder)
    sync_tree(folder)
