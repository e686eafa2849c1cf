"""What the fork server of `all` has in memory before it forks the stages. Being imported is all it is for."""

from __future__ import annotations

import importlib

from pipeline.quiet import quiet

quiet()
for stage in ("sft", "reward", "ppo", "evaluate"):
    importlib.import_module(f"pipeline.{stage}")
