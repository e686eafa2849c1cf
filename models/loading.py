"""Loads base models and tokenizers from any source, in one of three precisions.

It finds the files, refuses what is unsafe (pickled weights, code that comes with a model), gives every
tokenizer a separate pad token, sets dropout to 0, and adds an fp32 head to reward bases. Nothing is loaded at
import. models.adapters loads adapters.

    base = resolve_base("tiny")
    model = load_causal(base, "bf16", device())
"""

import math
import os
from contextlib import contextmanager
from pathlib import Path

import torch
import transformers
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from transformers.activations import GELUTanh, NewGELUActivation

from data.bases import find_base
from data.errors import Code, UserError
from models import base_files
from models import precision as precisions
from models.fast import attention, heap, llama, siblings, switch
from models.fast.gelu import TanhGELU

CUDA = torch.device("cuda")
PAD_TOKEN = "<|pad|>"


class Head(nn.Linear):
    """A linear head [*, hidden] -> [*, 1] in fp32, whatever the precision of its input.

    bf16 scores tie, and bf16 weights drop small updates; both would cost the precisions unequal accuracy.
    """

    def __init__(self, hidden: int):
        super().__init__(hidden, 1, bias=False, dtype=torch.float32)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(states.float(), self.weight)


def device() -> torch.device:
    """The GPU if there is one (this process's own under a launcher), else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device()) if "LOCAL_RANK" in os.environ else CUDA


def placement(split: bool, quantised: bool, device: torch.device) -> str | dict[str, torch.device] | None:
    """transformers' device_map: "auto" distributes the blocks over all GPUs, None keeps the model on the
    CPU."""
    if split and torch.cuda.device_count() > 1:
        return "auto"
    return {"": device} if quantised else None


def resolve_base(base_model: str | Path) -> Path:
    """The folder of a base, named in any way that `data.bases` supports; a GGUF file is converted.

    Raises UserError if there is no usable base, or only pickled weights.
    """
    folder = find_base(base_model, _convert)
    if not (folder / "config.json").is_file():
        raise UserError(
            f"{base_model}: no config.json in {folder.name}; this is not a model folder", code=Code.BASE
        )
    if not list(folder.glob("*.safetensors")):
        raise UserError(
            f"{base_model}: no .safetensors weights; pickled weights (.bin, .pt) are refused because loading "
            "them can run code. Convert the model to safetensors first",
            code=Code.BASE,
        )
    return folder


def load_tokenizer(base: str | Path):
    """The tokenizer of a base, with a pad token that differs from EOS.

    Raises UserError if there is none, or if it is damaged.
    """
    folder = resolve_base(base)
    base_files.check(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # the tokenizers library has no error class for unreadable files
        raise UserError(
            f"{base}: the tokenizer cannot be loaded: {_first_line(error)}", code=Code.BASE
        ) from error
    if tokenizer.eos_token_id is None:
        raise UserError(f"{base}: the tokenizer has no EOS token", code=Code.BASE)
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        # With pad = EOS the loss would mask EOS out, and the model would never learn to stop.
        tokenizer.add_special_tokens({"pad_token": PAD_TOKEN})
    return tokenizer


def load_causal(base: str | Path, precision: str, device: torch.device, *, split: bool = False):
    """A frozen causal LM in eval mode, dropout 0; bf16, or quantised with bf16 heads and embeddings.

    split: with several GPUs, the blocks are distributed over all of them instead of `device`.
    """
    return _load(AutoModelForCausalLM, base, precision, device, split)


def load_reward_base(
    base: str | Path, precision: str, device: torch.device, *, seed: int = 0, split: bool = False
):
    """A frozen sequence classifier with one label and an fp32 `score` head, the only trainable part.

    The head starts at N(0, 1/(hidden + 1)), drawn from `seed` (arXiv 2403.17031).
    """
    model = _load(AutoModelForSequenceClassification, base, precision, device, split, num_labels=1)
    head = Head(model.config.get_text_config().hidden_size)
    generator = torch.Generator().manual_seed(seed)
    nn.init.normal_(head.weight, std=1 / math.sqrt(head.in_features + 1), generator=generator)
    model.score = head.to(model.score.weight.device)  # the device of the last block
    return model


def base_hash(base: str | Path) -> str:
    """sha256 of a base's configuration and weights on disk."""
    return base_files.combined_hash(base_files.weights_files(resolve_base(base)))


def tokenizer_hash(base: str | Path) -> str:
    """sha256 of a base's tokenizer files on disk."""
    return base_files.combined_hash(base_files.tokenizer_files(resolve_base(base)))


def check_length(model: nn.Module, tokens: int) -> None:
    """Raise UserError if sequences of that many tokens do not fit into the base's positions."""
    room = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if room is not None and tokens > room:
        raise UserError(
            f"max_length={tokens}, but this base has {room} positions: set {room} or less", code=Code.SETTING
        )


def switch_off_dropout(model: nn.Module) -> None:
    """Set every dropout probability to 0, in the modules and in the configuration."""
    for name, value in vars(model.config).items():
        if isinstance(value, float) and ("dropout" in name or name.endswith("pdrop")):
            setattr(model.config, name, 0.0)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0


def use_fused_gelu(model: nn.Module) -> None:
    """Replace transformers' tanh GELU, which needs eight passes over memory, by a faster one."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation | GELUTanh):
                setattr(module, name, TanhGELU())


def _quicken(model: nn.Module, device: torch.device, *, plain: bool, distributed: bool) -> None:
    """Apply the fast paths of models.fast to a model, or mark it as plain. distributed: its blocks lie on
    several GPUs, and accelerate's hooks around their modules must stay."""
    if plain:
        switch.mark(model)
        return
    use_fused_gelu(model)
    if device.type == "cpu":
        attention.use_on_cpu(model)
    if not distributed:
        llama.quicken(model)


def _convert(file: Path, folder: Path) -> None:
    from models import gguf_base  # imported here because it is rarely needed

    gguf_base.convert(file, folder)


def _load(auto_class, base, precision: str, device: torch.device, split: bool, **extra):
    folder = resolve_base(base)
    quantization = precisions.quantization_config(precision, device)
    places = placement(split, quantization is not None, device)
    base_files.check(folder)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        if "num_labels" in extra:
            config.num_labels = extra["num_labels"]
        with _quietly():
            model, found = auto_class.from_pretrained(
                folder,
                config=config,
                dtype=torch.bfloat16,
                quantization_config=quantization,
                device_map=places,
                trust_remote_code=False,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # `_refuse_gaps` reports them
                # A memory-mapped file that is truncated or overwritten would kill the process (SIGBUS).
                disable_mmap=True,
            )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise UserError(
            f"{base}: the model cannot be loaded: {_first_line(error)}", code=Code.BASE
        ) from error
    _refuse_gaps(base, found)
    precisions.prepare(model, precision)
    switch_off_dropout(model)
    _quicken(model, device, plain=switch.wanted(), distributed=places == "auto")
    model.requires_grad_(False)
    tokenizer = load_tokenizer(folder)
    _make_room(model, len(tokenizer))
    model.config.pad_token_id = model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id  # trainers compare all three
    if places != "auto":
        model.to(device)
    precisions.widen(model, device)
    precisions.verify(model, precision, device)
    if places != "auto" and not switch.is_plain(model):
        siblings.join(model)  # last, because the steps before can replace weights
    if quantization is not None and device.type == "cpu":
        heap.give_back()  # the quantisation frees as much memory as the base takes
    return model.eval()


def _refuse_gaps(base: str | Path, found: dict) -> None:
    """Raise UserError for weights that the files lack, because transformers fills them with random numbers.

    The score head does not count: `load_reward_base` creates it.
    """
    missing = sorted(name for name in found["missing_keys"] if not name.startswith("score."))
    if missing:
        raise UserError(
            f"{base}: its files lack {len(missing)} tensors that config.json requires ({missing[0]}); "
            f"{base_files.ADVICE}",
            code=Code.BASE,
        )
    if found["mismatched_keys"]:
        name, saved, wanted = min(found["mismatched_keys"])
        raise UserError(
            f"{base}: {name} has the shape {list(saved)}, but config.json requires {list(wanted)}; "
            f"{base_files.ADVICE}",
            code=Code.BASE,
        )


def _make_room(model, vocabulary: int) -> None:
    """Grow the embedding for a pad token that the base does not have; the new row is the mean of the others.

    A mean row gives the pad the mean logit, which is practically never sampled (and sampling forbids the pad
    anyway). A row of zeros would give it logit 0, the highest of all in GPT-2.
    """
    known = model.get_input_embeddings().weight.shape[0]
    if vocabulary <= known:
        return
    model.resize_token_embeddings(vocabulary, mean_resizing=False)
    tables = [model.get_input_embeddings(), model.get_output_embeddings()]
    with torch.no_grad():
        for table in {id(t.weight): t for t in tables if t is not None}.values():
            table.weight[known:] = table.weight[:known].float().mean(0).to(table.weight.dtype)
    model.requires_grad_(False)


@contextmanager
def _quietly():
    """Suppress transformers' progress bar and its table of heads that a checkpoint has or lacks."""
    level, bar = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        if bar:
            transformers.logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
