"""Copies a workspace's results into the package: the pretrained base, or the demo policies of the arena.

Copies the model folders of the newest done runs of a preset; an incomplete set is an error. The adapters of a
preset with a real base are large, so they are shipped in bf16, and their total size is limited. This script
trains nothing. `seal` only records the hashes of the existing files, in cards that were written before cards had
hashes.

    python -m benchmarks.ship base --workspace W                   # pretrain run     -> models/tiny/base
    python -m benchmarks.ship demo --workspace W [--preset small]  # sft, three ppo -> models/PRESET/demo/<policy>
    python -m benchmarks.ship seal
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from data.errors import Code, UserError
from data.policies import PRECISIONS
from data.workspace import Workspace
from models import adapters, base_files
from pipeline.runs.lineage import newest_done
from pipeline.runs.record_file import RunRecord

SHIPPED = Path(__file__).parent.parent / "models"
MOST_BYTES = 40_000_000  # of a preset's demo policies together


def ship(workspace: Workspace, what: str, preset: str = "tiny", to: Path | None = None) -> list[Path]:
    """Replace models/PRESET/base or models/PRESET/demo; returns the written folders. Raises UserError if a run is
    missing or the policies are too large.
    """
    to = to or SHIPPED / preset
    wanted: list[tuple[str, str | None, Path]] = [("pretrain", None, to / "base")]
    if what == "demo":
        wanted = [("sft", None, to / "demo" / "sft")]
        wanted += [("ppo", p, to / "demo" / f"ppo-{p}") for p in PRECISIONS]
    found: list[tuple[RunRecord, Path]] = []
    for stage, precision, target in wanted:
        run = newest_done(workspace, stage, preset, precision)
        if run is None:
            raise UserError(
                f"{workspace.root}: no finished {stage} run {precision or ''} to ship; run it first",
                code=Code.PARENT,
            )
        found.append((run, target))
    for run, target in found:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(workspace.run(run.id) / "model", target)
        if what == "demo" and preset != "tiny":
            _lighten(target)
        print(f"{run.id} -> {target}")
    size = sum(file.stat().st_size for _, target in found for file in target.rglob("*.safetensors"))
    print(f"{size / 1e6:.1f} MB of weights")
    if what == "demo" and size > MOST_BYTES:
        raise UserError(
            f"the demo policies take {size / 1e6:.1f} MB: train with a smaller lora_rank", code=Code.SETTING
        )
    return [target for _, target in found]


def _lighten(folder: Path) -> None:
    """Store the adapter in bf16; its card gets the hashes of the new file."""
    import torch
    from safetensors.torch import load_file, save_file

    path = folder / adapters.WEIGHTS
    weights = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(path).items()}
    save_file(weights, path, metadata={"format": "pt"})
    adapters.seal(folder, base=adapters.read_card(folder)["base_model"])


def seal(shipped: Path = SHIPPED / "tiny") -> list[Path]:
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
    parser.add_argument("--preset", choices=("tiny", "small"), default="tiny")
    args = parser.parse_args()
    try:
        if args.what == "seal":
            for folder in seal():
                print(folder)
        else:
            ship(Workspace(args.workspace), args.what, args.preset)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
