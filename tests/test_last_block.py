"""The last block computes only requested positions, with equal states and gradients, and is then restored."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from transformers import AutoModelForCausalLM

from models import adapters
from models.fast.last_block import LastBlock, backbone
from models.loading import switch_off_dropout

PLACES = torch.tensor([2, 3, 9, 15])  # flat positions in 2 rows of 8 tokens


@pytest.fixture(params=["gpt2", "llama"])
def model(request, random_base, random_llama_base):
    base = random_base if request.param == "gpt2" else random_llama_base
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    model = adapters.attach(model, adapters.lora_config(model, 4, 8), "policy").eval()
    generator = torch.Generator().manual_seed(1)
    for parameter in adapters.adapter_parameters(model, "policy").values():
        parameter.data = 0.2 * torch.randn(parameter.shape, generator=generator)
    return model


def states_of(model, only=None):
    """Final states at PLACES, and the adapter's gradients of the sum of their squares."""
    inner, ids = backbone(model), torch.arange(2, 18).view(2, 8)
    if only is None:
        states = inner(input_ids=ids)[0]
    else:
        with only.only(PLACES):
            states = inner(input_ids=ids)[0]
    states = states.flatten(0, 1)[PLACES]
    parameters = list(adapters.adapter_parameters(model, "policy").values())
    return states, torch.autograd.grad(states.square().sum(), parameters)


def test_states_and_gradients_at_the_places_equal_those_of_a_complete_pass(model):
    last = LastBlock(backbone(model))
    assert len(last.modules) == 2
    before = [module.__dict__.get("forward") for module in last.modules]
    whole, gradients = states_of(model)
    some, sparse = states_of(model, last)
    torch.testing.assert_close(some, whole, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(sparse, gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5)
    assert [module.__dict__.get("forward") for module in last.modules] == before


def test_the_mlp_sees_only_the_requested_places(model):
    last, seen = LastBlock(backbone(model)), []
    mlp = last.modules[1]
    hook = next(mlp.children()).register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].shape))
    states_of(model, last)
    hook.remove()
    assert seen[0].numel() // seen[0][-1] == len(PLACES)


def test_two_threads_compute_their_own_places_at_the_same_time(model):
    last, inner = LastBlock(backbone(model)), backbone(model)
    before = [module.__dict__.get("forward") for module in last.modules]
    ids, both = torch.arange(2, 18).view(2, 8), threading.Barrier(2)
    places = [torch.tensor([1, 4, 7]), torch.tensor([0, 6, 10, 15])]
    whole = inner(input_ids=ids)[0].flatten(0, 1)

    def states(own: torch.Tensor) -> torch.Tensor:
        with last.only(own):
            both.wait(10)  # neither thread leaves before the other has entered
            found = inner(input_ids=ids)[0].flatten(0, 1)
            both.wait(10)
        return found

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(states, places))
    for own, states_of_thread in zip(places, found, strict=True):
        torch.testing.assert_close(states_of_thread[own], whole[own], rtol=1e-5, atol=1e-6)
    assert not torch.equal(found[0], found[1])  # each has only its own places
    assert [module.__dict__.get("forward") for module in last.modules] == before


def test_an_unknown_kind_of_block_computes_everything(model):
    inner = backbone(model)
    blocks = inner.h if hasattr(inner, "h") else inner.layers

    class Experts(torch.nn.Module):
        def forward(self, x):
            return x

    blocks[-1].mlp = Experts()
    assert LastBlock(inner).modules == () and LastBlock(torch.nn.Linear(2, 2)).modules == ()


def test_with_gradient_checkpointing_the_last_block_computes_everything(model):
    switch_off_dropout(model)
    whole, gradients = states_of(model)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    some, again = states_of(model, LastBlock(backbone(model)))
    torch.testing.assert_close(some, whole, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(again, gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5)
