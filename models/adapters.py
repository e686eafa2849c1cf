"""LoRA adapters: their shape, their files, and the checks on loading.

One LoRA shape serves GPT-2's Conv1D and Linear layers, quantised or not. An adapter is a flat folder
(`adapter_model.safetensors`, `adapter_config.json`, `head.safetensors`, `model.json`) whose contents depend
on nothing but the weights. Loading checks base, tokenizer and every tensor, because PEFT would silently
accept an adapter of another base and fill missing layers with random numbers.

The module does not merge or train adapters. LoRA: arXiv 2106.09685.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse
from safetensors.torch import save as serialise
from torch import nn
from transformers.pytorch_utils import Conv1D

from data import sealed
from data.bases import origin_facts
from data.errors import Code, UserError
from data.files import json_bytes, sync_folder, write_atomic
from models import base_files
from models.fast import lora, switch
from models.fast.peft_import import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from models.loading import Head, base_hash, resolve_base, tokenizer_hash

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
HEAD, CARD = "head.safetensors", "model.json"
ADVICE = "train it again, or restore a backup"
HEAD_NAMES = ("lm_head", "score", "embed_out", "classifier")


def lora_config(
    model: nn.Module, rank: int, alpha: int, dropout: float = 0.0, task_type: str | None = None
) -> LoraConfig:
    """LoRA on every linear layer of the blocks (Conv1D, Linear, int8, int4), not on heads or embeddings."""
    layers = {
        name.rsplit(".", 1)[-1]: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and name.rsplit(".", 1)[-1] not in HEAD_NAMES
    }
    if not layers:
        raise UserError("the base has no linear layers that LoRA could adapt", code=Code.BASE)
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=sorted(layers),
        task_type=task_type,
        # A quantised layer knows its original class. PEFT ignores the flag there, but the file records it.
        fan_in_fan_out=any(getattr(m, "source_cls", type(m)) is Conv1D for m in layers.values()),
    )


def attach(model: nn.Module, config: LoraConfig, name: str) -> PeftModel:
    """Add a new, trainable fp32 adapter to a plain model or to a PeftModel."""
    if isinstance(model, PeftModel):
        model.add_adapter(name, config)
    else:
        model = get_peft_model(model, config, adapter_name=name)
    make_fp32_trainables(model)
    if not switch.is_plain(model):
        lora.quicken(model)
    return model


def make_fp32_trainables(model: nn.Module) -> None:
    """Cast all trainable parameters to fp32, in place, because bf16 weights drop small updates."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def save(
    model: PeftModel,
    folder: Path,
    adapter_name: str,
    *,
    base: str | Path,
    precision: str,
    name: str = "",
    head: nn.Linear | None = None,
    extra: dict | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write an adapter (and head) as a model folder; the same weights give the same bytes.

    base: the base, whose hashes are stored in model.json. name: the base's name in the settings ("tiny", a
    hub id, a folder) if `base` is already the resolved folder. extra: further facts for model.json. dtype:
    number format of the adapter on disk; the head is always fp32.
    """
    config = model.peft_config[adapter_name]
    weights = {key: _plain(value).to(dtype) for key, value in sorted(_state(model, adapter_name).items())}
    files = {WEIGHTS: serialise(weights, metadata={"format": "pt"})}
    if head is not None:
        files[HEAD] = serialise({"weight": _plain(head.weight)}, metadata={"format": "pt"})
    written = {key: value for key, value in config.to_dict().items() if value is not None}
    name = name or str(base)
    written |= {
        "base_model_name_or_path": Path(name).name if Path(name).is_absolute() else name,
        "target_modules": sorted(config.target_modules),
        "inference_mode": True,
    }
    files[CONFIG] = json_bytes({key: _jsonable(written[key]) for key in sorted(written)}, indent=2) + b"\n"
    card = {
        "base_model": name,
        "base_hash": base_hash(base),
        "tokenizer_hash": tokenizer_hash(base),
        "precision": precision,
        "lora_rank": config.r,
        "lora_alpha": config.lora_alpha,
        "head": head is not None,
        "base_files": base_files.entries(resolve_base(base)),
        "files": {name: sealed.entry(data) for name, data in files.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for file, data in files.items():
        write_atomic(folder / file, data)
    sealed.write_card(
        folder / CARD, card | origin_facts(resolve_base(base)) | (extra or {})
    )  # written last: its presence means that the model is complete
    sync_folder(folder.parent)


def load(
    model: nn.Module,
    folder: Path,
    name: str,
    *,
    base: str | Path,
    trainable: bool = False,
    dropout: float = 0.0,
) -> PeftModel:
    """Add a saved adapter to a model under `name`; returns the PeftModel (`model` itself if it is one).

    Raises UserError if the folder belongs to another base or tokenizer, or if its tensors do not match the
    layers one to one. Only this adapter's requires_grad is set; the active adapter does not change unless
    this is the first.
    """
    card = check(folder, base=base)
    weights, _ = read_tensors(folder / WEIGHTS, card)
    config = read_config(folder, card)
    config.inference_mode = not trainable
    # A task type would make PEFT add heads and wrappers of its own.
    config.task_type, config.base_model_name_or_path, config.lora_dropout = None, None, dropout
    if isinstance(model, PeftModel):
        before = {key: p.requires_grad for key, p in model.named_parameters()}
        active = model.active_adapter
        model.add_adapter(name, config)
        model.set_adapter(active)
        model.train(model.training)  # PEFT creates new layers in train mode, whatever the mode of the others
        for key, parameter in model.named_parameters():
            if key in before:
                parameter.requires_grad_(before[key])
    else:
        model = get_peft_model(model, config, adapter_name=name)
    fill(model, name, weights, where=str(folder))
    for parameter in adapter_parameters(model, name).values():
        parameter.data = parameter.data.float()
        parameter.requires_grad_(trainable)
    if not switch.is_plain(model):
        lora.quicken(model)
    if (rank := card.get("lora_rank")) != config.r:
        raise UserError(
            f"{folder}: the rank in model.json is {rank}, the adapter's is {config.r}", code=Code.MODEL
        )
    return model


def check(folder: Path, *, base: str | Path) -> dict:
    """model.json of a model folder. Raises UserError if it belongs to another base or tokenizer."""
    for name in (CARD, CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: {name} is missing; this is not a finished model", code=Code.MODEL)
    card = read_card(folder)
    same_base = card.get("base_hash") == base_hash(base)
    if not same_base or card.get("tokenizer_hash") != tokenizer_hash(base):
        what = "on another base" if not same_base else "with another tokenizer"
        named = f"{folder}: trained {what} ({card.get('base_model')}) than {base}"
        if "base_files" not in card:
            raise UserError(named, code=Code.MODEL)
        differing = ", ".join(base_files.changed(resolve_base(base), card["base_files"]))
        raise UserError(f"{named}, or one of its files has changed since then: {differing}", code=Code.MODEL)
    return card


def seal(folder: Path, *, base: str | Path) -> None:
    """Record the present hashes of the files of a model folder that was written before cards had hashes."""
    card = check(folder, base=base)
    names = [WEIGHTS, CONFIG, *([HEAD] if card.get("head") else [])]
    files = {name: sealed.entry((folder / name).read_bytes()) for name in names}
    facts = {"base_files": base_files.entries(resolve_base(base)), "files": files}
    sealed.write_card(folder / CARD, card | facts)


def read_card(folder: Path) -> dict:
    """model.json of a model folder. Raises UserError if it is missing or damaged."""
    return sealed.read_card(folder / CARD, ADVICE)


def read_tensors(path: Path, card: dict) -> tuple[dict[str, torch.Tensor], str]:
    """(tensors of a safetensors file, its SHA-256). Raises UserError if it differs from the card's record.

    The bytes are read once, checked and parsed, because a memory-mapped file that is truncated while it is in
    use would kill the process.
    """
    data = sealed.read_file(path, card.get("files"), ADVICE)
    try:
        return parse(data), sealed.entry(data)["sha256"]
    except SafetensorError as error:
        raise UserError(f"{path}: is damaged ({error}); {ADVICE}", code=Code.MODEL) from error


def read_config(folder: Path, card: dict) -> LoraConfig:
    """The adapter's configuration. Raises UserError if the file differs from the card's record."""
    sealed.read_file(folder / CONFIG, card.get("files"), ADVICE)
    try:
        return LoraConfig.from_pretrained(folder)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{folder / CONFIG}: is damaged ({error}); {ADVICE}", code=Code.MODEL) from error


def copy(folder: Path, to: Path, *, base: str | Path, **config: str) -> None:
    """Copy a model folder that belongs to this base, with other values in its adapter_config.json.

    Raises UserError if a file differs from the card's record.
    """
    card = check(folder, base=base)
    names = [WEIGHTS, CONFIG, *([HEAD] if card.get("head") else [])]
    files = {name: sealed.read_file(folder / name, card.get("files"), ADVICE) for name in names}
    files[CONFIG] = json_bytes(json.loads(files[CONFIG]) | config, indent=2) + b"\n"
    to.mkdir(parents=True)
    for name, data in files.items():
        write_atomic(to / name, data)
    recorded = {name: sealed.entry(data) for name, data in files.items()}
    sealed.write_card(to / CARD, {**card, "files": recorded})


def fill(model: PeftModel, name: str, weights: dict[str, torch.Tensor], *, where: str) -> None:
    """Copy saved LoRA tensors into adapter `name`. Raises UserError unless they match its layers one to
    one."""
    targets = adapter_parameters(model, name)
    missing, unknown = sorted(set(targets) - set(weights)), sorted(set(weights) - set(targets))
    if missing or unknown:
        what = f"lacks {len(missing)} tensors ({missing[0]})" if missing else f"has an extra {unknown[0]}"
        raise UserError(f"{where}: the adapter {what}; it does not fit this base", code=Code.MODEL)
    with torch.no_grad():
        for key, parameter in targets.items():
            saved = weights[key]
            if parameter.shape != saved.shape:
                raise UserError(
                    f"{where}: {key} has shape {list(saved.shape)}, not {list(parameter.shape)}",
                    code=Code.MODEL,
                )
            parameter.data = saved.to(parameter.device, torch.float32).clone()


def adapter_parameters(model: PeftModel, name: str) -> dict[str, nn.Parameter]:
    """The LoRA parameters of one adapter, under the keys that its file uses."""
    return {
        key.replace(f".{name}.", "."): parameter
        for key, parameter in model.named_parameters()
        if f".lora_A.{name}." in key or f".lora_B.{name}." in key
    }


def load_head(folder: Path) -> Head:
    """The fp32 head of a reward or value model. Raises UserError if the folder contains a plain policy."""
    path = folder / HEAD
    if not path.is_file():
        raise UserError(
            f"{folder}: {HEAD} is missing; this is a language model, not a reward model", code=Code.MODEL
        )
    tensors, _ = read_tensors(path, read_card(folder))
    weight = tensors.get("weight")
    if weight is None or weight.dim() != 2:
        raise UserError(f"{path}: is damaged (it contains no matrix); {ADVICE}", code=Code.MODEL)
    head = Head(weight.shape[1])
    head.weight.data = weight.float()
    return head.requires_grad_(False)


def _state(model: PeftModel, name: str) -> dict[str, torch.Tensor]:
    return get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)


def _plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to("cpu", torch.float32).contiguous()


def _jsonable(value):
    if isinstance(value, set | frozenset):
        return sorted(value)
    return value if isinstance(value, str | int | float | bool | list | dict) else str(value)
