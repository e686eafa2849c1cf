"""What a child process of ours needs: the package on its path, whatever folder it is started in."""

from __future__ import annotations

import os
from pathlib import Path


def child_environment() -> dict[str, str]:
    """This environment with the project on PYTHONPATH and unbuffered output."""
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root] + [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), "PYTHONUNBUFFERED": "1"}
