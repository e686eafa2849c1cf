"""Estimates the memory that a stage needs above its imports, term by term, before it starts.

The formulas in `pipeline.memory.terms` use the base's shape (config.json), the settings, and the longest rows
of the data set if it exists. The terms of one phase are in memory at the same time; the estimate is the
sum of the terms without a phase plus the largest phase. `benchmarks/estimate.py` compares it with measured
peaks. No weights are read; no torch.

    print(estimate("ppo", build("ppo", "edge"), workspace).table())
    refuse_what_cannot_fit("sft", resolved, workspace)      # raises UserError or returns None
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from data.bases import is_here
from data.errors import Code, UserError
from data.workspace import Workspace
from pipeline.memory import terms as memory_terms
from pipeline.memory.base_shape import base_folder, read_shape
from pipeline.memory.row_lengths import full_rows, row_lengths
from pipeline.memory.terms import Plan, Term
from pipeline.runs.hardware import free_memory, has_bf16_products
from pipeline.runs.lineage import resolve_parents
from pipeline.runs.parents import Resolved
from pipeline.runs.record_file import Parents

ERROR = 0.25  # largest relative error of the estimate
IMPORTS = 600_000_000  # bytes of RAM that the imports of a stage take; not part of the estimate


@dataclass(frozen=True)
class Estimate:
    """The terms of a stage. free: unused bytes of the memory named by `where`, such as "RAM"."""

    stage: str
    terms: tuple[Term, ...]
    free: int
    where: str = "RAM"

    @property
    def phases(self) -> dict[str, int]:
        """Bytes of each phase, without the terms that exist all the time."""
        sums: dict[str, int] = {}
        for term in self.terms:
            if term.phase:
                sums[term.phase] = sums.get(term.phase, 0) + term.bytes
        return sums

    @property
    def total(self) -> int:
        """Bytes at the peak: the terms that exist all the time plus the largest phase."""
        always = sum(term.bytes for term in self.terms if not term.phase)
        return always + max(self.phases.values(), default=0)

    @property
    def imports(self) -> int:
        """Bytes of the same memory that the imports take."""
        return IMPORTS if self.where == "RAM" else 0

    @property
    def available(self) -> int:
        """Bytes that are left for the stage after its imports."""
        return max(0, self.free - self.imports)

    @property
    def fits(self) -> bool:
        return self.total <= self.available

    @property
    def cannot_fit(self) -> bool:
        """Whether it does not fit even if the estimate is too high by its largest error."""
        return self.total / (1 + ERROR) > self.available

    def table(self) -> str:
        """The terms as text, for the command line."""
        lines = [f"{'MB':>9}  {'phase':<9} {'term':<24} formula"]
        for term in self.terms:
            lines.append(
                f"{term.bytes / 1e6:>9.1f}  {term.phase or 'always':<9} {term.name:<24} {term.formula}"
            )
        phases = self.phases
        largest = f", in {max(phases, key=lambda phase: phases[phase])}" if phases else ""
        mend = "does not fit: lower micro_batch_size or use gradient_checkpointing"
        verdict = "fits" if self.fits else mend
        lines.append(
            f"{self.total / 1e6:>9.1f}  peak above imports{largest}; "
            f"{self.available / 1e6:.0f} MB of {self.where} available: {verdict}"
        )
        return "\n".join(lines)


def estimate(stage: str, settings: Any, workspace: Workspace) -> Estimate:
    """The memory of a run with these settings and the parents that it would find now.

    Raises UserError if the base is not supported or not available. If another parent is missing, each row is
    assumed to have `max_length` tokens.
    """
    try:
        resolved = resolve_parents(stage, settings, workspace)
    except UserError:
        if not settings.base_model:
            raise
        resolved = Resolved(settings, Parents())
    return estimate_resolved(stage, resolved, workspace)


def estimate_resolved(stage: str, resolved: Resolved, workspace: Workspace) -> Estimate:
    """The memory of a run whose parents are known. Raises UserError as `estimate` does."""
    settings = resolved.settings
    formulas = getattr(memory_terms, stage, None)
    if formulas is None:
        raise UserError(f"{stage}: there are no formulas for its memory", code=Code.DOES_NOT_FIT)
    folder = base_folder(settings.base_model)
    free, where = free_memory()
    plan = Plan(
        read_shape(folder),
        settings,
        _rows(settings, workspace, resolved.dataset, folder),
        cpu=where == "RAM",
        wide=2 if where != "RAM" or has_bf16_products() else 4,
    )
    return Estimate(stage, tuple(formulas(plan)), free, where)


def refuse_what_cannot_fit(stage: str, resolved: Resolved, workspace: Workspace) -> None:
    """Raise UserError for a stage that cannot fit into the free memory, with the figures and what to lower.

    A base that is not downloaded yet, of an unknown kind, or split over devices is not refused.
    """
    settings = resolved.settings
    if not getattr(settings, "base_model", "") or getattr(settings, "split_base", False):
        return
    if not is_here(settings.base_model):
        return
    try:
        found = estimate_resolved(stage, resolved, workspace)
    except UserError:  # the stage itself reports a problem with its base or data
        return
    if found.cannot_fit:
        raise UserError(
            f"{stage} does not fit: about {found.total / 1e9:.1f} GB are needed, "
            f"and {found.available / 1e9:.1f} GB of {found.where} are free",
            code=Code.DOES_NOT_FIT,
            command=f"lower {_what_to_lower(stage, settings)}; `estimate {stage}` shows each part",
        )


def side_by_side(asked: int, trainings: Iterable[tuple[str, Any]], workspace: Workspace) -> int:
    """How many of `asked` processes fit into memory together if each is as large as the largest training.

    trainings: (stage, settings with their base). Returns at least 1, and `asked` if no estimate is possible.
    """
    found = []
    for stage, settings in trainings:
        with contextlib.suppress(UserError):  # no estimate is possible; the stage will report why
            if settings.base_model and is_here(settings.base_model):
                found.append(estimate(stage, settings, workspace))
    if not found:
        return asked
    largest = max(one.total + one.imports for one in found)
    return max(1, min(asked, found[0].free // largest))


def _what_to_lower(stage: str, settings: Any) -> str:
    """The settings that would reduce the memory, with their current values."""
    sizes = ["micro_batch_size", "max_length", *(["batch_size"] if stage == "ppo" else [])]
    changes = [f"{name} (now {getattr(settings, name)})" for name in sizes]
    if not settings.gradient_checkpointing:
        changes.append("or set gradient_checkpointing=true")
    if settings.precision != "int4":
        changes.append("or precision=int4")
    if stage == "ppo" and settings.mode == "controlled":
        changes.append("or mode=shared")
    return ", ".join(changes)


def _rows(settings: Any, workspace: Workspace, dataset: str, folder: Any) -> Any:
    if dataset:
        found = row_lengths(workspace.dataset(dataset) / "train_prefs.jsonl", folder)
        if found is not None:
            return found
    return full_rows(settings.max_length)
