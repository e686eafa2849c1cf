"""Keeps out of logs and terminals what the pinned libraries say about each other and nobody here can change.

To be called before they are imported: bitsandbytes complains while it is being imported.
"""

from __future__ import annotations

import logging
import os
import warnings


def quiet() -> None:
    """No deprecations inside transformers and torch, of bitsandbytes errors alone, no bars of datasets."""
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.")
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"torch\.")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
