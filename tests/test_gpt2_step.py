"""The fast path through GPT-2 for one token per row equals the library bit for bit."""

import pytest
import torch

from models import adapters, generation
from models.fast import gpt2_step
from models.generation import generate
from models.loading import load_causal

CPU = torch.device("cpu")
EVEN, UNEVEN = [[5, 9, 2], [7, 8, 9]], [[5, 9, 2], [7, 8, 9, 10, 11, 12, 13], [4]]


def with_adapter(base, precision):
    model = load_causal(base, precision, CPU)
    model = adapters.attach(model, adapters.lora_config(model, 4, 8), "policy").eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in adapters.adapter_parameters(model, "policy").values():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    return model


def sample(model, prompts, **options):
    uniforms = torch.rand(len(prompts), 40, generator=torch.Generator().manual_seed(2))
    return generate(
        model, prompts, max_new_tokens=40, temperature=1.0, pad_id=1, eos_id=0, uniforms=uniforms, **options
    )


@pytest.mark.parametrize("prompts", [EVEN, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize("precision", ["bf16", "int8", "int4"])
def test_the_answers_equal_those_of_the_library_bit_for_bit(random_base, precision, prompts, monkeypatch):
    model = with_adapter(random_base, precision)
    head = torch.nn.Linear(model.config.hidden_size, 1, bias=False, dtype=model.dtype)
    steps = []
    plain = gpt2_step.Gpt2Step.__call__

    def counted(self, *arguments):
        steps.append(self)
        return plain(self, *arguments)

    monkeypatch.setattr(gpt2_step.Gpt2Step, "__call__", counted)
    short = sample(model, prompts, value_head=head)
    assert len(steps) == max(map(len, short.tokens)) - 1  # every pass except the one over the prompts
    monkeypatch.setattr(generation.gpt2_step, "of", lambda model: None)
    long = sample(model, prompts, value_head=head)
    assert short == long


def test_hooks_other_kinds_of_attention_and_other_models_go_through_the_library(
    random_base, random_llama_base
):
    model = with_adapter(random_base, "bf16")
    assert gpt2_step.of(model) is not None
    assert gpt2_step.of(load_causal(random_llama_base, "bf16", CPU)) is None
    layer = model.get_base_model().transformer.h[0].mlp
    hook = layer.register_forward_hook(lambda *arguments: None)
    assert gpt2_step.of(model) is None
    hook.remove()
    assert gpt2_step.of(model) is not None
    model.set_attn_implementation("sdpa")  # as on a GPU
    assert gpt2_step.of(model) is not None
    model.set_attn_implementation("eager")
    assert gpt2_step.of(model) is None
