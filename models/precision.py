"""The three precisions of a base model: bf16, int8 (LLM.int8) and int4 (NF4, as in QLoRA).

The module has the quantisation configurations, the two fixes that make quantised bases trainable and
reproducible, and a check that a loaded model really has the requested precision. Heads and embeddings stay
unquantised in all of them. models.loading loads the models.

Unquantised tensors are bf16. A CPU without bf16 products, as in many laptops, is many times slower with them
than with fp32; there the same bf16 values are stored in fp32 tensors, which makes results slightly more exact
and takes twice the memory.

Papers: LLM.int8, arXiv 2208.07339; QLoRA, arXiv 2305.14314.
"""

import functools
import logging
import platform

import torch
from torch import nn
from transformers import BitsAndBytesConfig

from data.errors import Code, UserError
from data.policies import PRECISIONS
from models.fast import operators

UNQUANTISED = ("lm_head", "score", "embed_out")


def float_type(device: torch.device) -> torch.dtype:
    """The type of unquantised weights and of activations: bf16, or fp32 on a CPU without bf16 products."""
    return torch.bfloat16 if device.type != "cpu" or has_bf16_products() else torch.float32


@functools.cache
def has_bf16_products() -> bool:
    """Whether oneDNN has bf16 products on this CPU (x86 with AVX-512 or AVX-NE-CONVERT)."""
    known = platform.machine().lower() in ("x86_64", "amd64") and torch.backends.mkldnn.is_available()
    return known and operators.has_bf16_products()


def quantization_config(precision: str, device: torch.device) -> BitsAndBytesConfig | None:
    """The configuration for `from_pretrained`; None for bf16. Raises UserError for an unknown precision."""
    if precision not in PRECISIONS:
        raise UserError(
            f"precision {precision!r} is unknown; choose one of {', '.join(PRECISIONS)}", code=Code.SETTING
        )
    if precision == "bf16":
        return None
    if precision == "int8":
        # A threshold above 0 selects outlier columns over the whole batch, so a row's output, and with it a
        # score, would depend on the other rows.
        return BitsAndBytesConfig(
            load_in_8bit=True, llm_int8_threshold=0.0, llm_int8_skip_modules=list(UNQUANTISED)
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=float_type(device),
        bnb_4bit_use_double_quant=True,
        llm_int8_skip_modules=list(UNQUANTISED),
    )


def prepare(model: nn.Module, precision: str) -> None:
    """Make a newly loaded model trainable, in place; to be called before its first forward pass."""
    if precision == "int4":
        for module in _layers_named(model, "Linear4bit"):
            # On CPUs with AVX512-BF16 an eval-mode forward repacks the weight for inference; that layout has
            # no autograd and train() does not undo it.
            module.support_avx512bf16_for_cpu = False
    if precision == "int8":
        # bitsandbytes warns per layer and step that it casts bf16 activations to fp16, which is intended.
        logging.getLogger("bitsandbytes.autograd._functions").addFilter(_not_a_cast_warning)


def widen(model: nn.Module, device: torch.device) -> None:
    """Cast unquantised tensors to the float type of the device, in place; their values do not change."""
    for tensor in [*model.parameters(), *model.buffers()]:
        if tensor.dtype == torch.bfloat16:
            tensor.data = tensor.data.to(float_type(device))


def verify(model: nn.Module, precision: str, device: torch.device) -> None:
    """Raise UserError unless the model's blocks really have that precision."""
    eight, four = _layers_named(model, "Linear8bitLt"), _layers_named(model, "Linear4bit")
    expected = {"bf16": (False, False), "int8": (True, False), "int4": (False, True)}
    if precision not in expected or (bool(eight), bool(four)) != expected[precision]:
        raise UserError(
            f"the base did not load in {precision}: {len(eight)} layers are int8 and {len(four)} are int4",
            code=Code.BASE,
        )
    if any(module.state.threshold != 0.0 for module in eight):
        raise UserError(
            "int8 layers have an outlier threshold, which couples the rows of a batch", code=Code.BASE
        )
    if any(module.weight.quant_type != "nf4" for module in four):
        raise UserError("the 4-bit layers are not NF4", code=Code.BASE)
    if precision == "bf16":
        frozen = [p for p in model.parameters() if not p.requires_grad]
        odd = {str(p.dtype) for p in frozen if p.dtype != float_type(device)}
        if odd:
            raise UserError(
                f"a bf16 base was expected, but some weights are {', '.join(sorted(odd))}", code=Code.BASE
            )


def _layers_named(model: nn.Module, name: str) -> list[nn.Module]:
    # PEFT wraps a quantised layer in a class of the same name, which has no quantised weight of its own.
    return [m for m in model.modules() if type(m).__name__ == name and not hasattr(m, "lora_A")]


def _not_a_cast_warning(record: logging.LogRecord) -> bool:
    return "inputs will be cast" not in record.getMessage()
