"""What the fork server of `all` has in memory before it forks the stages; importing it is its only use."""

from __future__ import annotations

import importlib

from pipeline.runs.quiet import quiet
from pipeline.settings.stages import STAGES

quiet()
for row in STAGES.chain:
    if row.uses_models:
        importlib.import_module(row.module)
