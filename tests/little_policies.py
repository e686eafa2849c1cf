"""Model folders of random adapters on a random base: policies that differ and need no training."""

from pathlib import Path

import torch

from data.policies import POLICIES
from models import adapters, loading


def save_policies(base: Path, folder: Path, names=POLICIES, ranks=(4, 4, 4, 4)) -> dict[str, Path]:
    """Returns {name: model folder}. The random updates are large, so that the policies answer differently."""
    model = loading.load_causal(base, "bf16", torch.device("cpu"))
    generator = torch.Generator().manual_seed(1)
    shapes = [adapters.lora_config(model, rank, 2 * rank) for rank in ranks]
    for name, shape in zip(names, shapes, strict=False):
        inside = name.replace("-", "_")
        model = adapters.attach(model, shape, inside)
        for parameter in adapters.adapter_parameters(model, inside).values():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
        adapters.save(model, folder / name, inside, base=base, precision="bf16")
    return {name: folder / name for name in names}
