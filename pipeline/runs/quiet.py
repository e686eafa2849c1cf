"""Suppresses warnings of the pinned libraries about each other, which the project cannot change.

It has to be called before they are imported, because bitsandbytes already warns during its import.
"""

from __future__ import annotations

import logging
import os
import warnings


def quiet() -> None:
    """Hide deprecation warnings of transformers and torch, the warnings of bitsandbytes, and the progress
    bars of datasets."""
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.")
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"torch\.")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
