"""Suppresses warnings of the pinned libraries about each other, which the project cannot change.

To be called before they are imported: bitsandbytes complains while it is being imported.
"""

from __future__ import annotations

import logging
import os
import warnings


def quiet() -> None:
    """Hide deprecations inside transformers and torch, bitsandbytes' warnings, and datasets' progress
    bars."""
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.")
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"torch\.")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
