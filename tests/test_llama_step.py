"""The fast path through Llama and Qwen shapes for one token per row gives the answers of transformers."""

import pytest
import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from models import adapters, generation
from models.fast import attention, llama_step
from models.generation import generate

EVEN, UNEVEN = [[5, 9, 2], [7, 8, 9]], [[5, 9, 2], [7, 8, 9, 10, 11, 12, 13], [4]]
KINDS = {"llama": LlamaConfig, "mistral": MistralConfig, "qwen2": Qwen2Config, "qwen3": Qwen3Config}
SIZE = {
    "vocab_size": 97, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3,
    "num_attention_heads": 6, "num_key_value_heads": 2, "max_position_embeddings": 128, "head_dim": 8,
    "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip


def made(kind: str, tied: bool = True, attend: str = "sdpa", **extra):
    torch.manual_seed(4)
    extra = {"sliding_window": None} | extra if kind == "mistral" else extra
    config = KINDS[kind](**SIZE, tie_word_embeddings=tied, **extra)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation=attend).eval()
    for parameter in model.parameters():  # random biases and norms instead of the neutral initial ones
        parameter.data += 0.3 * torch.randn(parameter.shape)
    return model.requires_grad_(False)


def sample(model, prompts, temperature=1.0, **options):
    uniforms = torch.rand(len(prompts), 40, generator=torch.Generator().manual_seed(2))
    return generate(
        model, prompts, max_new_tokens=40, temperature=temperature, pad_id=1, eos_id=0, uniforms=uniforms,
        **options,
    )  # fmt: skip


def taken(monkeypatch) -> list:
    """A list that grows with each step on the fast path."""
    steps, plain = [], llama_step.LlamaStep.__call__

    def counted(self, *arguments):
        steps.append(self)
        return plain(self, *arguments)

    monkeypatch.setattr(llama_step.LlamaStep, "__call__", counted)
    return steps


@pytest.mark.parametrize("own", [True, False], ids=["as on a CPU", "as on a GPU"])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_greedy_answers_are_those_of_transformers_token_by_token(kind, tied, own, monkeypatch):
    model = made(kind, tied)
    expected = [
        model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt)), max_new_tokens=40,
            do_sample=False, suppress_tokens=[1],
        )[0, len(prompt) :].tolist()
        for prompt in UNEVEN
    ]  # fmt: skip
    if own:  # else torch's fused attention
        attention.use_on_cpu(model)
    steps = taken(monkeypatch)
    got = sample(model, UNEVEN, temperature=0)
    assert got.tokens == expected
    assert len(steps) == max(map(len, expected)) - 1


@pytest.mark.parametrize("prompts", [EVEN, UNEVEN], ids=["even", "uneven"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_with_adapters_tokens_probabilities_and_values_are_those_of_the_library(kind, prompts, monkeypatch):
    model = made(kind)
    attention.use_on_cpu(model)
    model = adapters.attach(model, adapters.lora_config(model, 4, 8), "policy").eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in adapters.adapter_parameters(model, "policy").values():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    head = torch.nn.Linear(48, 1, bias=False)
    steps = taken(monkeypatch)
    short = sample(model, prompts, value_head=head)
    assert len(steps) == max(map(len, short.tokens)) - 1
    monkeypatch.setattr(generation.llama_step, "of", lambda model: None)
    long = sample(model, prompts, value_head=head)
    assert short.tokens == long.tokens
    for a, b in zip(short.logprobs + short.values, long.logprobs + long.values, strict=True):
        torch.testing.assert_close(torch.tensor(a), torch.tensor(b), rtol=1e-4, atol=1e-4)


def test_hooks_other_kinds_of_attention_and_other_activations_go_through_the_library():
    model = made("llama")
    assert llama_step.of(model) is not None
    hook = model.model.layers[1].mlp.register_forward_hook(lambda *arguments: None)
    assert llama_step.of(model) is None
    hook.remove()
    assert llama_step.of(model) is not None
    add_hook_to_module(model.model.layers[1].mlp, ModelHook())  # accelerate's, without a list of its own
    assert llama_step.of(model) is None
    assert llama_step.of(made("llama", attend="eager")) is None
    assert llama_step.of(made("llama", hidden_act="gelu")) is None
