"""Keeps out of logs and terminals what the pinned libraries say about each other and nobody here can change.

To be called before they are imported: bitsandbytes complains while it is being imported.
"""

from __future__ import annotations

import logging
import warnings


def quiet() -> None:
    """No deprecations inside transformers and torch, and of bitsandbytes errors alone."""
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"transformers\.")
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"torch\.")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
