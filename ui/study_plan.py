"""The plan of a ready-made study on the page: what it fixes, its runs with their hours, and its command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from html import escape

from pipeline.commands import study, study_launch
from pipeline.commands.study import Share
from pipeline.settings.study import StudyDesign
from ui import parts
from ui.parts import Services
from ui.texts import Texts


def plan_html(services: Services, name: str, t: Texts) -> str:
    """The plan of the ready-made design `name`."""
    file = study_launch.ready_made()[name]
    design = study.read_design(file)
    found = study.shares(design, study.known_runs(services.workspace, design))
    command = shlex.join(["python", "-m", "pipeline", "study", f"studies/{file.name}"])
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in fixed(design, t))
    line = f'<pre class="line">{escape(command)}</pre>'
    label = f'<span class="quiet small">{escape(t("form.command"))}</span>'
    return f'<ul class="reading">{facts}</ul>{runs_table(found, t)}{label}{line}'


def fixed(design: StudyDesign, t: Texts) -> list[str]:
    """What the design fixes before the first run, one sentence each."""
    size = {"replicates": design.replicates, "arms": len(design.arms), "preset": design.preset}
    more = t("study.plan_more", most=design.most, pilot=design.pilot) if design.most else ""
    margin = {"margin": parts.percent(design.margin), "power": parts.percent(design.power)}
    line = t("study.plan_line") if design.points == "trained" else ""
    return [
        t("study.plan_size", **size) + more,
        t("study.plan_outcome", kl=f"{design.kl:g}", prompts=f"{design.prompts:,}") + line,
        t("study.plan_margin", alpha=f"{design.alpha:g}", **margin),
    ]


def runs_table(found: Sequence[Share], t: Texts) -> str:
    """The planned runs by kind, with the hours that done runs like them took, and the sum."""
    rows = [
        [
            kind(share, t),
            share.count,
            "?" if share.hours is None else f"{share.hours:.2f}",
            f"#{share.source[-4:]}" if share.source else t("study.plan_unknown"),
        ]
        for share in found
    ]
    known = [share.hours for share in found if share.hours is not None]
    hours = f"{sum(known):.2f}" if known else "?"
    least = t("study.plan_least") if 0 < len(known) < len(found) else ""
    rows.append([t("study.plan_sum"), sum(share.count for share in found), hours, least])
    heads = [t("study.plan_what"), t("study.plan_runs"), t("study.plan_hours"), t("study.plan_source")]
    return parts.table(heads, rows)


def kind(share: Share, t: Texts) -> str:
    """The stage in the words of the page, and the arm."""
    stage, _, arm = share.label.partition(" ")
    return f"{t(f'stage.{stage}')} {arm}".strip()
