"""Imports the stages that use models; the fork server of `all` imports this module before it forks."""

from __future__ import annotations

import importlib

from pipeline.runs.quiet import quiet
from pipeline.settings.stages import STAGES

quiet()
importlib.import_module("models.fast.peft_import")  # before TRL imports PEFT
for row in STAGES.chain:
    if row.uses_models:
        importlib.import_module(row.module)
