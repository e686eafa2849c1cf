"""The faster tanh GELU equals torch's in values and slopes, and leaves other cases to torch."""

import pytest
import torch
from torch.nn.functional import gelu

from models.fast.gelu import BLOCK, MANY, TanhGELU


def numbers(n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (4 * torch.randn(n, generator=generator)).bfloat16()


@pytest.mark.parametrize("n", [MANY, BLOCK + 7])
def test_values_and_slopes_equal_torchs_up_to_the_rounding_of_bf16(n):
    x, exact = numbers(n).requires_grad_(), numbers(n).double().requires_grad_()
    ours, theirs = TanhGELU()(x), gelu(exact, approximate="tanh")
    torch.testing.assert_close(ours.double(), theirs, rtol=2**-8, atol=1e-6)
    ours.backward(torch.ones_like(x))
    theirs.sum().backward()
    torch.testing.assert_close(x.grad.double(), exact.grad, rtol=2**-8, atol=1e-5)


def test_without_a_gradient_it_is_the_same():
    x = numbers(MANY)
    kept = TanhGELU()(x.clone().requires_grad_())
    with torch.no_grad():
        assert torch.equal(TanhGELU()(x), kept)


@pytest.mark.parametrize("x", [numbers(MANY - 1), numbers(MANY).float()])
def test_few_numbers_and_other_types_are_left_to_torch(x):
    assert torch.equal(TanhGELU()(x), gelu(x, approximate="tanh"))


def test_extremes_stay_finite():
    x = torch.tensor([-3e38, -100.0, 0.0, 100.0, 3e38]).bfloat16().repeat(MANY).requires_grad_()
    y = TanhGELU()(x)
    y.backward(torch.ones_like(y))
    assert y[:5].tolist()[:4] == [0.0, 0.0, 0.0, 100.0] and torch.isfinite(y[:4]).all()
    assert x.grad[1:4].tolist() == [0.0, 0.5, 1.0]
