"""The trained tensors of a model: their names, exact restoration, and gathering of sharded tensors."""

import torch
from torch.distributed.tensor import DTensor, distribute_tensor

from data.errors import Code, UserError
from pipeline.training import distributed


def trainables(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """Maps names to the parameters that are trained."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def restore(model: torch.nn.Module, saved: dict[str, torch.Tensor]) -> None:
    """Restore saved fp32 trainables exactly; UserError if they do not belong to this model."""
    targets = trainables(model)
    if set(targets) != set(saved):
        raise UserError(
            "the checkpoint belongs to other settings (LoRA rank or base)",
            code=Code.CHECKPOINT,
        )
    for name, parameter in targets.items():
        value = saved[name].to(parameter.device, torch.float32)
        if isinstance(parameter, DTensor):  # FSDP holds references to its shard: fill it, do not replace it
            parts = distribute_tensor(value, parameter.device_mesh, parameter.placements)
            parameter.detach().copy_(parts)
        else:
            parameter.data = value.clone()


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Gathers a sharded tensor (a collective call); returns any other tensor unchanged."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def in_one_piece(model: torch.nn.Module, make) -> torch.nn.Module:
    """The model itself; under FSDP, in the leader, a fresh model from `make` with the trained tensors."""
    if distributed.sharding() != "FSDP":
        return model
    trained = {name: whole(p).detach().cpu() for name, p in trainables(model).items()}
    if distributed.rank() > 0:
        return model
    fresh = make()
    restore(fresh, trained)
    return fresh
