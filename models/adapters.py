"""LoRA adapters: their shape, their files, and what is refused when they come back.

What it does: one LoRA shape for GPT-2's Conv1D and for Linear layers, quantised or not; a flat folder
(`adapter_model.safetensors`, `adapter_config.json`, `head.safetensors`, `model.json`) whose contents depend
on nothing but the weights; and loading that checks base, tokenizer and every single tensor, because PEFT
would take an adapter of another base without a word and fill missing layers with random numbers.

It does not merge adapters and does not train them. LoRA: arXiv 2106.09685.
"""

from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.pytorch_utils import Conv1D

from data.bases import origin_facts
from data.errors import UserError
from data.files import read_json, write_json
from models.fast import lora, switch
from models.loading import Head, base_hash, resolve_base, tokenizer_hash

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
HEAD, CARD = "head.safetensors", "model.json"
HEAD_NAMES = ("lm_head", "score", "embed_out", "classifier")


def lora_config(
    model: nn.Module, rank: int, alpha: int, dropout: float = 0.0, task_type: str | None = None
) -> LoraConfig:
    """LoRA on every linear layer of the blocks (Conv1D, Linear, int8, int4), never on heads or embeddings."""
    layers = {
        name.rsplit(".", 1)[-1]: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and name.rsplit(".", 1)[-1] not in HEAD_NAMES
    }
    if not layers:
        raise UserError("the base has no linear layers that LoRA could adapt")
    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=sorted(layers),
        task_type=task_type,
        # A quantised layer remembers what it was made from; PEFT ignores the flag there, the file keeps it.
        fan_in_fan_out=any(getattr(m, "source_cls", type(m)) is Conv1D for m in layers.values()),
    )


def attach(model: nn.Module, config: LoraConfig, name: str) -> PeftModel:
    """A fresh, trainable fp32 adapter on a plain model, or one more on a PeftModel."""
    if isinstance(model, PeftModel):
        model.add_adapter(name, config)
    else:
        model = get_peft_model(model, config, adapter_name=name)
    make_fp32_trainables(model)
    if not switch.is_plain(model):
        lora.quicken(model)
    return model


def make_fp32_trainables(model: nn.Module) -> None:
    """Cast everything trainable to fp32, in place: bf16 weights drop small updates."""
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
) -> None:
    """Write an adapter (and head) as a model folder; the same weights give the same bytes.

    base: the base, whose hashes go into model.json; name: what the settings call it ("tiny", a hub id, a
        folder), where `base` is already the folder it resolved to.
    extra: further facts for model.json.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = model.peft_config[adapter_name]
    weights = {key: _plain(value) for key, value in sorted(_state(model, adapter_name).items())}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    if head is not None:
        save_file({"weight": _plain(head.weight)}, folder / HEAD, metadata={"format": "pt"})
    written = {key: value for key, value in config.to_dict().items() if value is not None}
    name = name or str(base)
    written |= {
        "base_model_name_or_path": Path(name).name if Path(name).is_absolute() else name,
        "target_modules": sorted(config.target_modules),
        "inference_mode": True,
    }
    write_json(folder / CONFIG, {key: _jsonable(written[key]) for key in sorted(written)})
    card = {
        "base_model": name,
        "base_hash": base_hash(base),
        "tokenizer_hash": tokenizer_hash(base),
        "precision": precision,
        "lora_rank": config.r,
        "lora_alpha": config.lora_alpha,
        "head": head is not None,
    }
    write_json(folder / CARD, card | origin_facts(resolve_base(base)) | (extra or {}))


def load(
    model: nn.Module,
    folder: Path,
    name: str,
    *,
    base: str | Path,
    trainable: bool = False,
    dropout: float = 0.0,
) -> PeftModel:
    """Put a saved adapter on a model under `name`; returns the PeftModel (the same one where it already is).

    Raises UserError where the folder belongs to another base or tokenizer, or its tensors do not match the
    layers one for one. Only this adapter's requires_grad is set; the active adapter stays what it was unless
    this is the first.
    """
    card = check(folder, base=base)
    try:
        weights = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise UserError(f"{folder / WEIGHTS}: damaged or missing ({error}); train it again") from error
    config = LoraConfig.from_pretrained(folder)
    config.inference_mode = not trainable
    # A task type would make PEFT add heads and wrappers of its own.
    config.task_type, config.base_model_name_or_path, config.lora_dropout = None, None, dropout
    if isinstance(model, PeftModel):
        before = {key: p.requires_grad for key, p in model.named_parameters()}
        active = model.active_adapter
        model.add_adapter(name, config)
        model.set_adapter(active)
        model.train(model.training)  # new layers come in train mode, whatever the others are in
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
    if card["lora_rank"] != config.r:
        raise UserError(f"{folder}: model.json says rank {card['lora_rank']}, the adapter's is {config.r}")
    return model


def check(folder: Path, *, base: str | Path) -> dict:
    """model.json of a model folder that belongs to this base and tokenizer; else UserError."""
    for name in (CARD, CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: {name} is missing; this is not a finished model")
    card = read_json(folder / CARD)
    if card.get("base_hash") != base_hash(base):
        raise UserError(f"{folder}: trained on another base ({card.get('base_model')}) than {base}")
    if card.get("tokenizer_hash") != tokenizer_hash(base):
        raise UserError(f"{folder}: trained with another tokenizer than that of {base}")
    return card


def fill(model: PeftModel, name: str, weights: dict[str, torch.Tensor], *, where: str) -> None:
    """Copy saved LoRA tensors into adapter `name`. UserError unless they match its layers one for one."""
    targets = adapter_parameters(model, name)
    missing, unknown = sorted(set(targets) - set(weights)), sorted(set(weights) - set(targets))
    if missing or unknown:
        what = f"lacks {len(missing)} tensors ({missing[0]})" if missing else f"has {unknown[0]} too many"
        raise UserError(f"{where}: the adapter {what}; it does not fit this base")
    with torch.no_grad():
        for key, parameter in targets.items():
            saved = weights[key]
            if parameter.shape != saved.shape:
                raise UserError(f"{where}: {key} has shape {list(saved.shape)}, not {list(parameter.shape)}")
            parameter.data = saved.to(parameter.device, torch.float32).clone()


def copy_weights(model: PeftModel, source: str, target: str) -> None:
    """Make adapter `target` an exact copy of adapter `source` (same rank and layers)."""
    fill(model, target, _state(model, source), where=f"adapter {source}")


def adapter_parameters(model: PeftModel, name: str) -> dict[str, nn.Parameter]:
    """The LoRA parameters of one adapter, under the keys that its file uses."""
    return {
        key.replace(f".{name}.", "."): parameter
        for key, parameter in model.named_parameters()
        if f".lora_A.{name}." in key or f".lora_B.{name}." in key
    }


def load_head(folder: Path) -> Head:
    """The fp32 head of a reward or value model. Raises UserError where the folder holds a plain policy."""
    path = folder / HEAD
    if not path.is_file():
        raise UserError(f"{folder}: {HEAD} is missing; this is a language model, not a reward model")
    try:
        weight = load_file(path)["weight"]
    except (SafetensorError, OSError, KeyError) as error:
        raise UserError(f"{path}: damaged ({error}); train the reward model again") from error
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
