"""The complete chain on a CPU without bf16 products, as in many laptops; oneDNN is told to assume one."""

import subprocess
import sys

import pytest
from waiting import NEVER

from pipeline.runs.child import child_environment
from pipeline.runs.reader import list_runs

FEW = (
    "train_rows=40", "validation_rows=10", "test_rows=10", "batch_size=8", "micro_batch_size=4",
    "max_steps=2", "save_steps=2", "eval_steps=2", "eval_prompts=8", "safety_prompts=8", "response_length=8",
)  # fmt: skip


@pytest.mark.slow
def test_every_stage_runs_where_only_fp32_products_are_fast(workspace):
    environment = {**child_environment(), "ONEDNN_MAX_CPU_ISA": "AVX2"}
    asked = "import torch; print(torch.ops.mkldnn._is_mkldnn_bf16_supported())"
    told = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, text=True)
    assert told.stdout.strip() == "False"
    command = [sys.executable, "-m", "pipeline", "all", "--workspace", str(workspace.root), "--jobs", "1"]
    done = subprocess.run(
        [*command, "--set", *FEW], env=environment, capture_output=True, text=True, timeout=NEVER
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    runs = list_runs(workspace)
    assert len(runs) == 9 and {run.status for run in runs} == {"done"}
