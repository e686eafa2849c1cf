"""Put a workspace's results into the package: the pretrained base, or the demo policies that answer before
any training.

Copies the model folders of the newest done runs of the preset `tiny`; refuses to ship half a set. `seal` only
records the hashes of the files that are there, in the cards of what was shipped before there were hashes. It
trains nothing.

    python -m benchmarks.ship base --workspace W       # the newest pretrain run  -> models/tiny/base
    python -m benchmarks.ship demo --workspace W       # sft and three ppo runs   -> models/tiny/demo/<policy>
    python -m benchmarks.ship seal
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from data.errors import UserError
from data.workspace import Workspace
from models import adapters, base_files
from pipeline.runs.lineage import newest_done
from pipeline.settings.fields import PRECISIONS

SHIPPED = Path(__file__).parent.parent / "models" / "tiny"


def ship(workspace: Workspace, what: str, to: Path = SHIPPED) -> list[Path]:
    """Replace models/tiny/base or models/tiny/demo. Returns the folders written; UserError where a run is
    missing.
    """
    wanted = {"base": [("pretrain", None, to / "base")], "demo": [("sft", None, to / "demo" / "sft")]}[what]
    if what == "demo":
        wanted += [("ppo", p, to / "demo" / f"ppo-{p}") for p in PRECISIONS]
    found = [
        (newest_done(workspace, stage, "tiny", precision), target) for stage, precision, target in wanted
    ]
    for (stage, precision, _), (run, _) in zip(wanted, found, strict=True):
        if run is None:
            raise UserError(
                f"{workspace.root}: no finished {stage} run {precision or ''} to ship; run it first"
            )
    for run, target in found:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(workspace.run(run["id"]) / "model", target)
        print(f"{run['id']} -> {target}")
    return [target for _, target in found]


def seal(shipped: Path = SHIPPED) -> list[Path]:
    """Record the hashes of the shipped files in their cards; returns the folders."""
    base = shipped / "base"
    base_files.seal(base)
    folders = sorted(path.parent for path in (shipped / "demo").glob(f"*/{adapters.CARD}"))
    for folder in folders:
        adapters.seal(folder, base=base)
    return [base, *folders]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("base", "demo", "seal"))
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    args = parser.parse_args()
    try:
        if args.what == "seal":
            for folder in seal():
                print(folder)
        else:
            ship(Workspace(args.workspace), args.what)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
