"""Several policies on one base in memory, each row of a batch answered by its own.

A policy is a LoRA adapter. The A and B matrices of all policies are stacked a layer, [policies, in, rank] and
[policies, rank, out]; a batch takes its rows' own once, and two batched products a layer add all the updates
together. PEFT's own `adapter_names` loops over the adapters in every layer, which costs about as much as
another pass. What comes out is what PEFT computes: the update in fp32, added to the base's output and rounded
once. The stacking is written by hand on purpose, for that reason.

What it does not do: train, merge, or choose who answers.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from peft import LoraConfig
from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from data.errors import Code, UserError
from models import adapters
from models.generation import Generation, generate

PREFIX = "base_model.model."


class StackedPolicies:
    """Policies by name on one base.

    model: a causal LM in eval mode as `models.loading.load_causal` gives it; its adapted layers are replaced.
    base: where it came from, against which the adapters' hashes are checked.
    folders: {policy: model folder}; raises UserError for an adapter of another base, or a damaged one.
    """

    def __init__(self, model: nn.Module, base: str | Path, folders: Mapping[str, Path]):
        self.model = model
        self.base = base
        self.names: tuple[str, ...] = ()
        self.hashes: dict[str, str] = {}  # sha256 of each policy's adapter_model.safetensors, as it was read
        self._layers: dict[str, _StackedLora] = {}
        self.load(folders)

    def load(self, folders: Mapping[str, Path]) -> None:
        """Serve these policies from now on; the base stays where it is."""
        found = {name: _read_adapter(Path(folder), self.base) for name, folder in folders.items()}
        paths = sorted({path for weights, _ in found.values() for path in weights})
        modules = dict(self.model.named_modules())
        for path in paths:
            if path not in self._layers:
                if path not in modules:
                    raise UserError(
                        f"an adapter has a layer {path} that the base {self.base} has not", code=Code.MODEL
                    )
                self._layers[path] = _replace(self.model, path)
        for path, layer in self._layers.items():
            layer.stack([weights.get(path) for weights, _ in found.values()])
        self.names = tuple(folders)
        self.hashes = {name: digest for name, (_, digest) in found.items()}

    def select(self, rows: Sequence[str]) -> None:
        """Row i of the next batches is answered by policy `rows[i]`."""
        unknown = sorted(set(rows) - set(self.names))
        if unknown:
            raise UserError(
                f"policy {unknown[0]} is not served: choose among {', '.join(self.names)}", code=Code.POLICIES
            )
        places = torch.tensor([self.names.index(name) for name in rows], device=self.model.device)
        for layer in self._layers.values():
            layer.select(places)

    def generate(self, rows: Sequence[str], prompts: Sequence[Sequence[int]], **options) -> Generation:
        """`models.generation.generate` with prompt i answered by policy `rows[i]`."""
        self.select(rows)
        return generate(self.model, prompts, on_drop=self._drop, **options)

    def _drop(self, kept: torch.Tensor) -> None:
        for layer in self._layers.values():
            layer.keep(kept)


class _StackedLora(nn.Module):
    """A linear layer (Linear, Conv1D, int8 or int4) plus each row's own low-rank update. x: [rows, T, in]."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer
        self.all_a = self.all_b = None  # [policies, in, rank], [policies, rank, out]; None: nothing to add
        self.a = self.b = None  # the same of the batch's rows

    def stack(self, pairs: Sequence[tuple[torch.Tensor, torch.Tensor] | None]) -> None:
        """pairs: each policy's A [rank, in] and B [out, rank] with its scaling in it; None adds nothing.

        Policies of a lower rank are filled up with zeros.
        """
        shapes = [(a.shape[0], a.shape[1], b.shape[0]) for a, b in filter(None, pairs)]
        self.all_a = self.all_b = self.a = self.b = None
        if not shapes:
            return
        device = next(self.layer.parameters()).device
        rank = max(shape[0] for shape in shapes)
        self.all_a = torch.zeros(len(pairs), shapes[0][1], rank, device=device)
        self.all_b = torch.zeros(len(pairs), rank, shapes[0][2], device=device)
        for place, pair in enumerate(pairs):
            if pair is not None:
                a, b = pair
                self.all_a[place, :, : a.shape[0]] = a.T
                self.all_b[place, : b.shape[1]] = b.T

    def select(self, places: torch.Tensor) -> None:
        if self.all_a is not None:
            self.a, self.b = self.all_a[places], self.all_b[places]

    def keep(self, rows: torch.Tensor) -> None:
        if self.all_a is not None:
            self.a, self.b = self.a[rows], self.b[rows]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.layer(x)
        if self.a is None:
            return out
        return out.add_(torch.bmm(torch.bmm(x.to(self.a.dtype), self.a), self.b))


def _replace(model: nn.Module, path: str) -> _StackedLora:
    parent, _, name = path.rpartition(".")
    owner = model.get_submodule(parent)
    stacked = _StackedLora(getattr(owner, name))
    setattr(owner, name, stacked)
    return stacked


def _read_adapter(folder: Path, base: str | Path) -> tuple[dict[str, tuple[torch.Tensor, torch.Tensor]], str]:
    """{layer path: (A [rank, in], scaling * B [out, rank])} in fp32, and the sha256 of the weights' file.

    The bytes are read once, hashed and parsed: a mapped file that is cut short while it is served would kill
    the process.
    """
    adapters.check(folder, base=base)
    config = LoraConfig.from_pretrained(folder)
    odd = [key for key in ("use_dora", "alpha_pattern", "rank_pattern") if getattr(config, key)]
    if odd or config.bias != "none":
        raise UserError(
            f"{folder}: this kind of LoRA ({(odd or ['bias'])[0]}) cannot be served", code=Code.MODEL
        )
    scaling = config.lora_alpha / (config.r**0.5 if config.use_rslora else config.r)
    try:
        data = (folder / adapters.WEIGHTS).read_bytes()
        tensors = load(data)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{folder / adapters.WEIGHTS}: damaged ({error}); train it again", code=Code.MODEL
        ) from error
    weights = {}
    for key, a in tensors.items():
        if key.endswith(".lora_A.weight"):
            b = tensors.get(key.replace(".lora_A.", ".lora_B."))
            if b is None:
                raise UserError(f"{folder}: {key} has no lora_B beside it; train it again", code=Code.MODEL)
            path = key.removeprefix(PREFIX).removesuffix(".lora_A.weight")
            weights[path] = (a.float(), b.float() * scaling)
    return weights, hashlib.sha256(data).hexdigest()
