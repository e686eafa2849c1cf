"""What the fork server of `all` has in memory before it forks the stages; importing it is its only use."""

from __future__ import annotations

import importlib

from pipeline.runs.quiet import quiet

quiet()
for module in ("stages.sft", "stages.reward", "ppo.loop", "stages.evaluate"):
    importlib.import_module(f"pipeline.{module}")
