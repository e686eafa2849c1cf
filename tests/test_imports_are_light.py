"""Processes that use models do not load torch's compiler."""

import subprocess
import sys

import pytest

COMPILER = "torch._inductor.lowering"


@pytest.mark.parametrize(
    "module",
    [
        "pipeline.arena.worker",
        pytest.param("pipeline.commands.preload", marks=pytest.mark.slow),  # the fork server's
    ],
)
def test_the_compiler_is_not_loaded(module):
    code = f"import {module}, sys, torch; print({COMPILER!r} in sys.modules, torch.compile.__name__)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["False", "compile"]
