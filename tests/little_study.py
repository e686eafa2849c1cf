"""A design of three replicates, and stubs of its stages: their results, and processes that run them here."""

import re
from dataclasses import dataclass

import pytest

from pipeline.commands import execute as stages
from pipeline.runs.record import Run
from pipeline.settings.layers import build

DESIGN = """
name: two-arms
treatments: [int4]
described: [post-int8, bag-of-words]
replicates: 3
pilot: 2
kl_coef: [0.1]
prompts: 20
"""
# Gold at two snapshots by arm; the margin is 10 % of a gain of 0.3.
GOLD = {"bf16": 0.8, "bf16-again": 0.8, "int4": 0.798, "2-bit": 0.6, "post-int8": 0.79, "bag-of-words": 0.55}
NOISE = (0.0, 0.001, -0.001)  # of replicates 0, 1, 2, 0, ...


@dataclass(eq=False)
class Ended:
    exitcode: int


class FakeProcesses:
    """Runs each stage in this process at its start and reports it as running until `wait` returns it."""

    def __init__(self, fail=(), stop_at=0):
        self.fail, self.stop_at, self.began, self.open, self.most = set(fail), stop_at, [], [], 0

    def start(self, workspace, stage, preset, precision, overrides, company, run_id):
        name = next((text[5:] for text in overrides if text.startswith("name=")), "")
        if self.stop_at and len(self.began) == self.stop_at:
            raise KeyboardInterrupt
        self.began.append(f"resume {name}" if run_id else name)
        if name in self.fail:
            run = Run.create(workspace, stage, build(stage, preset, precision=precision, overrides=overrides))
            run.start_attempt()
            run.fail("a failure of the test")
            code = 1
        else:
            if run_id:
                stages.resume(workspace, run_id, company=company)
            else:
                settings = build(stage, preset, precision=precision, overrides=overrides)
                stages.execute(stage, settings, workspace, company=company)
            code = 0
        self.open.append(Ended(code))
        self.most = max(self.most, len(self.open))
        return self.open[-1]

    def wait(self, processes):
        return [self.open.pop(0)]

    def stop(self, processes):
        self.open.clear()


def result(row, settings, run, workspace):
    """What the stub of a stage returns."""
    if row.name == "prepare":
        workspace.dataset(settings.name).mkdir()
        (workspace.dataset(settings.name) / "train_prefs.jsonl").write_text("")
        return {"dataset": settings.name, "sha256": settings.name}
    if row.name != "measure":
        return {"steps": 20}
    replicate = int(settings.dataset[1:])
    arm = re.sub(r"r\d+-measure-?|-kl.*", "", settings.name)
    steps = [(10, 1.0, 0.65), (20, 2.5, GOLD[arm] + NOISE[replicate % 3] * (arm != "bf16"))] if arm else []
    rows = [
        {"step": step, "kl": kl, "kl_se": 0.1, "gold": gold, "gold_sd": 0.2}
        for step, kl, gold in steps or [(0, 0.0, 0.5)]
    ]
    return {"rows": rows, "n_prompts": 20, "prompts_sha256": "same", "prompts_in_training": 0.1 * replicate}


@pytest.fixture
def file(tmp_path, monkeypatch):
    """The file of DESIGN; its stages are the stubs."""
    monkeypatch.setattr(stages, "_call", result)
    path = tmp_path / "study.yaml"
    path.write_text(DESIGN)
    return path
