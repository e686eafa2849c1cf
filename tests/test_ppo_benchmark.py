"""The benchmark of a PPO step runs its side of this project, as it is today, on a small case."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks import ppo_cases
from benchmarks.ppo_cases import Case

SIDE = Path(ppo_cases.__file__).with_name("ppo_side.py")


@pytest.mark.slow
def test_a_step_is_measured(tmp_path):
    case = Case("small", 2, 32, 2, 300, 4, 16, 8, 4, epochs=1, key_heads=1, inner=64)
    ppo_cases.make_base(case, tmp_path / "base")
    ppo_cases.make_workspace(case, tmp_path / "workspace", tmp_path / "base", ["int4"], prompts=8)
    command = [sys.executable, SIDE, "ours", "--case", json.dumps(asdict(case)), "--folder", tmp_path]
    done = subprocess.run(
        [*command, "--precision", "int4", "--steps", "1"], capture_output=True, text=True, check=True
    )
    row = json.loads(done.stdout.splitlines()[-1])
    assert row["peak_bytes"] > 0
    phases = [row[f"{phase}_seconds"] for phase in ("generate", "score", "update")]
    assert min(phases) > 0 and sum(phases) == pytest.approx(row["seconds"], rel=0.05)
