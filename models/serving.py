"""Several policies on one base in memory; each row of a batch is answered by its own policy.

A policy is a LoRA adapter. Each layer stacks the A and B matrices of all policies, [policies, in, rank] and
[policies, rank, out]. A batch selects the matrices of its rows once, and two batched products per layer add
all updates. PEFT's `adapter_names` loops over the adapters in every layer instead, which costs about as much
as another pass; therefore the stacking is written by hand. The result is the same as PEFT's: the update in
fp32, added to the base's output and rounded once.

The module does not train, merge, or choose who answers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from data.errors import Code, UserError
from models import adapters
from models.generation import Generation, generate

PREFIX = "base_model.model."


class StackedPolicies:
    """Policies by name on one base.

    model: a causal LM in eval mode from `models.loading.load_causal`; its adapted layers are replaced.
    base: the base's folder or name, for checking the adapters' hashes.
    folders: {policy: model folder}. Raises UserError for an adapter of another base or a damaged one.
    """

    def __init__(self, model: nn.Module, base: str | Path, folders: Mapping[str, Path]):
        self.model = model
        self.base = base
        self.names: tuple[str, ...] = ()
        self.hashes: dict[str, str] = {}  # sha256 of each policy's adapter_model.safetensors, as it was read
        self._layers: dict[str, _StackedLora] = {}
        self.load(folders)

    def load(self, folders: Mapping[str, Path]) -> None:
        """Replace the served policies; the base stays in memory."""
        found = {name: _read_adapter(Path(folder), self.base) for name, folder in folders.items()}
        paths = sorted({path for weights, _ in found.values() for path in weights})
        modules = dict(self.model.named_modules())
        for path in paths:
            if path not in self._layers:
                if path not in modules:
                    raise UserError(
                        f"an adapter has a layer {path} that the base {self.base} lacks", code=Code.MODEL
                    )
                self._layers[path] = _replace(self.model, path)
        for path, layer in self._layers.items():
            layer.stack([weights.get(path) for weights, _ in found.values()])
        self.names = tuple(folders)
        self.hashes = {name: digest for name, (_, digest) in found.items()}

    def select(self, rows: Sequence[str]) -> None:
        """Let policy `rows[i]` answer row i of the next batches."""
        unknown = sorted(set(rows) - set(self.names))
        if unknown:
            raise UserError(
                f"policy {unknown[0]} is not served; choose one of {', '.join(self.names)}",
                code=Code.POLICIES,
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
    """A linear layer (Linear, Conv1D, int8 or int4) plus a low-rank update per row. x: [rows, T, in]."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer
        # [policies, in, rank] and [policies, rank, out]; None = no update. a, b: those of the batch's rows.
        self.all_a: torch.Tensor | None = None
        self.all_b: torch.Tensor | None = None
        self.a: torch.Tensor | None = None
        self.b: torch.Tensor | None = None

    def stack(self, pairs: Sequence[tuple[torch.Tensor, torch.Tensor] | None]) -> None:
        """Stack the policies' matrices.

        pairs: per policy A [rank, in] and scaled B [out, rank], or None for no update. Matrices of a lower
        rank are padded with zeros.
        """
        shapes = [(a.shape[0], a.shape[1], b.shape[0]) for a, b in filter(None, pairs)]
        self.all_a = self.all_b = self.a = self.b = None
        if not shapes:
            return
        device = next(self.layer.parameters()).device
        rank = max(shape[0] for shape in shapes)
        all_a = torch.zeros(len(pairs), shapes[0][1], rank, device=device)
        all_b = torch.zeros(len(pairs), rank, shapes[0][2], device=device)
        for place, pair in enumerate(pairs):
            if pair is not None:
                a, b = pair
                all_a[place, :, : a.shape[0]] = a.T
                all_b[place, : b.shape[1]] = b.T
        self.all_a, self.all_b = all_a, all_b

    def select(self, places: torch.Tensor) -> None:
        if self.all_a is not None and self.all_b is not None:
            self.a, self.b = self.all_a[places], self.all_b[places]

    def keep(self, rows: torch.Tensor) -> None:
        if self.a is not None and self.b is not None:
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
    """{layer path: (A [rank, in], scaling * B [out, rank])} in fp32, and the sha256 of the weights' file."""
    card = adapters.check(folder, base=base)
    config = adapters.read_config(folder, card)
    odd = [key for key in ("use_dora", "alpha_pattern", "rank_pattern") if getattr(config, key)]
    if odd or config.bias != "none":
        raise UserError(
            f"{folder}: this kind of LoRA ({(odd or ['bias'])[0]}) cannot be served", code=Code.MODEL
        )
    scaling = config.lora_alpha / (config.r**0.5 if config.use_rslora else config.r)
    tensors, sha256 = adapters.read_tensors(folder / adapters.WEIGHTS, card)
    weights = {}
    for key, a in tensors.items():
        if key.endswith(".lora_A.weight"):
            b = tensors.get(key.replace(".lora_A.", ".lora_B."))
            if b is None:
                raise UserError(f"{folder}: {key} has no matching lora_B; train it again", code=Code.MODEL)
            path = key.removeprefix(PREFIX).removesuffix(".lora_A.weight")
            weights[path] = (a.float(), b.float() * scaling)
    return weights, sha256
