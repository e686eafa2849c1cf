"""Makes a run out of a model that exists already: a snapshot that is promoted, the shipped SFT model.

The copy is durable before the caller may record the run as done. Nothing is trained and nothing is loaded.
"""

import shutil
from pathlib import Path

from data.errors import Code, UserError
from data.files import disk_full, sync_tree
from pipeline.runs.record import Run


def copy_model(folder: Path, run: Run) -> None:
    """Copy a model's folder into the run, which has an attempt. Raises UserError; the run has then failed."""
    try:
        shutil.copytree(folder, run.model_dir)
        sync_tree(run.model_dir)
    except OSError as error:
        told = disk_full(error) or UserError(f"{folder}: cannot be copied ({error})", code=Code.WORKSPACE)
        run.fail(str(told), told.code)
        raise told from error
