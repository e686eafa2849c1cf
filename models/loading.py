"""Base models and tokenizers, wherever they come from, in one of three precisions.

What it does: finds the files, refuses what is unsafe (pickled weights, code that comes with a model), gives
every tokenizer a pad token of its own, switches dropout off, and puts an fp32 head on reward bases. Nothing
is loaded at import. It does not know adapters (models.adapters does).

    base = resolve_base("tiny")
    model = load_causal(base, "bf16", device())
"""

import math
import os
from contextlib import contextmanager
from pathlib import Path

import torch
import transformers
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer
from transformers.activations import GELUTanh, NewGELUActivation

from data.bases import find_base
from data.errors import UserError
from data.files import sha256_files
from models import precision as precisions
from models.fast import attention, heap, llama, switch
from models.fast.gelu import TanhGELU

CUDA = torch.device("cuda")
PAD_TOKEN = "<|pad|>"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)


class Head(nn.Linear):
    """A linear head [*, hidden] -> [*, 1] in fp32, whatever the precision of the states that it is given.

    bf16 scores tie, and bf16 weights drop small updates; both cost accuracy unequally between precisions.
    """

    def __init__(self, hidden: int):
        super().__init__(hidden, 1, bias=False, dtype=torch.float32)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(states.float(), self.weight)


def device() -> torch.device:
    """The GPU where there is one, this process's own where a launcher started several; else the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device()) if "LOCAL_RANK" in os.environ else CUDA


def placement(split: bool, quantised: bool, device: torch.device) -> str | dict[str, torch.device] | None:
    """transformers' device_map: "auto" deals the blocks to all GPUs, None leaves the model on the CPU."""
    if split and torch.cuda.device_count() > 1:
        return "auto"
    return {"": device} if quantised else None


def resolve_base(base_model: str | Path) -> Path:
    """The folder of a base, named in any of the ways of `data.bases`; a GGUF file is converted once.

    Raises UserError where there is nothing usable, or only pickled weights.
    """
    folder = find_base(base_model, _convert)
    if not (folder / "config.json").is_file():
        raise UserError(f"{base_model}: no config.json in {folder.name}; this is not a model folder")
    if not list(folder.glob("*.safetensors")):
        raise UserError(
            f"{base_model}: no .safetensors weights; pickled weights (.bin, .pt) are refused because loading "
            "them can run code. Convert the model to safetensors first"
        )
    return folder


def load_tokenizer(base: str | Path):
    """The tokenizer of a base, with a pad token that differs from EOS. UserError where there is none."""
    folder = resolve_base(base)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{base}: the tokenizer cannot be loaded: {_first_line(error)}") from error
    if tokenizer.eos_token_id is None:
        raise UserError(f"{base}: the tokenizer has no EOS token")
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
        # pad = eos would mask EOS out of the loss, and the model would never learn to stop.
        tokenizer.add_special_tokens({"pad_token": PAD_TOKEN})
    return tokenizer


def load_causal(base: str | Path, precision: str, device: torch.device, *, split: bool = False):
    """A frozen causal LM in eval mode, dropout 0; bf16, or quantised with bf16 heads and embeddings.

    split: its blocks lie on all GPUs, where there are several, and not on `device`.
    """
    return _load(AutoModelForCausalLM, base, precision, device, split)


def load_reward_base(
    base: str | Path, precision: str, device: torch.device, *, seed: int = 0, split: bool = False
):
    """A frozen sequence classifier with one label, and an fp32 `score` head (the only part that may train).

    The head starts at N(0, 1/(hidden + 1)), drawn from `seed` (arXiv 2403.17031).
    """
    model = _load(AutoModelForSequenceClassification, base, precision, device, split, num_labels=1)
    head = Head(model.config.get_text_config().hidden_size)
    generator = torch.Generator().manual_seed(seed)
    nn.init.normal_(head.weight, std=1 / math.sqrt(head.in_features + 1), generator=generator)
    model.score = head.to(model.score.weight.device)  # where the last block is
    return model


def base_hash(base: str | Path) -> str:
    """sha256 of a base's configuration and weights as they lie on disk."""
    folder = resolve_base(base)
    return sha256_files([folder / "config.json", *sorted(folder.glob("*.safetensors"))])


def tokenizer_hash(base: str | Path) -> str:
    """sha256 of a base's tokenizer files as they lie on disk."""
    folder = resolve_base(base)
    return sha256_files([folder / name for name in TOKENIZER_FILES if (folder / name).is_file()])


def check_length(model: nn.Module, tokens: int) -> None:
    """Raise UserError where sequences of that many tokens do not fit into the base's positions."""
    room = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if room is not None and tokens > room:
        raise UserError(f"max_length={tokens}, but this base has {room} positions: set {room} or less")


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
    """Put a fast tanh GELU where transformers writes the same function in eight passes over memory."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, NewGELUActivation | GELUTanh):
                setattr(module, name, TanhGELU())


def _quicken(model: nn.Module, device: torch.device, *, plain: bool) -> None:
    """Give a model what models.fast has for it, or let it say that it is plain."""
    if plain:
        switch.mark(model)
        return
    use_fused_gelu(model)
    if device.type == "cpu":
        attention.use_on_cpu(model)
        llama.quicken(model)


def _convert(file: Path, folder: Path) -> None:
    from models import gguf_base  # for the one time that it is needed

    gguf_base.convert(file, folder)


def _load(auto_class, base, precision: str, device: torch.device, split: bool, **extra):
    folder = resolve_base(base)
    quantization = precisions.quantization_config(precision, device)
    places = placement(split, quantization is not None, device)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        if "num_labels" in extra:
            config.num_labels = extra["num_labels"]
        with _quietly():
            model = auto_class.from_pretrained(
                folder,
                config=config,
                dtype=torch.bfloat16,
                quantization_config=quantization,
                device_map=places,
                trust_remote_code=False,
                use_safetensors=True,
                local_files_only=True,
            )
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{base}: the model cannot be loaded: {_first_line(error)}") from error
    precisions.prepare(model, precision)
    switch_off_dropout(model)
    _quicken(model, device, plain=switch.wanted())
    model.requires_grad_(False)
    tokenizer = load_tokenizer(folder)
    _make_room(model, len(tokenizer))
    model.config.pad_token_id = model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.pad_token_id = tokenizer.pad_token_id  # trainers compare the three
    if places != "auto":
        model.to(device)
    precisions.widen(model, device)
    precisions.verify(model, precision, device)
    if quantization is not None and device.type == "cpu":
        heap.give_back()  # quantising left as much behind as the base takes
    return model.eval()


def _make_room(model, vocabulary: int) -> None:
    """Grow the embedding for a pad token that the base has never seen; the new row is the mean of the others.

    A mean row gives pad the mean logit, which no sampler ever reaches (and pad is forbidden there anyway); a
    row of zeros would give it logit 0, the highest of all in GPT-2.
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
    """No progress bar for reading a local file, and no table of the heads that a checkpoint has or lacks."""
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
