"""The card of one run: its state, what it does now with the time left, and for a failed run what to do."""

from __future__ import annotations

from html import escape

from data.errors import Code
from pipeline.runs.phases import EVALUATING, STEPS
from pipeline.runs.record_file import Progress, RunRecord
from ui import parts
from ui.parts import ENDED
from ui.texts import Texts

SILENT_SECONDS = 180
# Where a run is shown; the other stages have a tab of their own name.
TAB_OF = {"prepare": "data", "evaluate": "evaluation", "judge": "runs", "pretrain": "runs", "measure": "runs"}


def card(record: RunRecord | None, t: Texts, *, next_to_run: bool = False) -> str:
    """State, phase and time left of a run; for a failed run, the cause and one piece of advice.

    next_to_run: whether nothing is ahead of a queued run.
    """
    if record is None:
        return f'<div class="empty">{escape(t("run.none"))}</div>'
    status, progress = record.status, record.progress
    facts = [parts.chip(status, t("status." + status)), f"<b>{escape(parts.run_title(record, t))}</b>"]
    facts += [f'<span class="phase">{escape(text)}</span>' for text in now(record, t, next_to_run)]
    if status not in ("running", "queued") and record.seconds is not None:
        took = t("run.took", time=parts.duration(record.seconds, t))
        facts.append(f'<span class="quiet">{escape(took)}</span>')
    facts.append(f'<span class="grow"></span><span class="quiet">#{escape(record.id[-4:])}</span>')
    lines = [f'<div class="job-line">{"".join(facts)}</div>', meter(record)]
    if progress and progress.cancelling:
        lines.append(f'<p class="quiet small">{escape(t("phase.cancelling_long"))}</p>')
    elif progress and progress.silent_seconds > SILENT_SECONDS:
        lines.append(parts.advice(t("run.silent", time=parts.duration(progress.silent_seconds, t))))
    if status in ENDED and record.error:
        lines.append(failure(record.error, record.error_code, t))
    return f'<div class="job">{"".join(lines)}</div>'


def line(record: RunRecord, t: Texts) -> str:
    """The run in one line, for the header: a link to its tab."""
    facts = [parts.chip(record.status, t("status." + record.status))]
    facts.append(f"<b>{escape(parts.run_title(record, t))}</b>")
    facts += [f'<span class="phase">{escape(text)}</span>' for text in now(record, t)]
    target = TAB_OF.get(record.stage, record.stage)
    facts.append(f'<span class="grow"></span><span class="follow">{escape(t("bar.follow"))} →</span>')
    return f'<a class="job-line now-link" href="#{escape(target)}">{"".join(facts)}</a>{meter(record)}'


def now(record: RunRecord, t: Texts, next_to_run: bool = False) -> list[str]:
    """What a live run does, and the time left of it where that is known."""
    if record.status == "queued":
        return [t("phase.next" if next_to_run else "phase.queued")]
    progress = record.progress
    if record.status != "running" or progress is None:
        return []
    if progress.cancelling:
        return [t("phase.cancelling")]
    said = [phase(record, progress, t)]
    if progress.seconds_left is not None and progress.seconds_left > 0:
        said.append(t("run.left", time=parts.duration(progress.seconds_left, t)))
    elif progress.phase not in ("", STEPS):
        said.append(t("phase.elapsed", time=parts.duration(progress.phase_seconds, t)))
    return said


def phase(record: RunRecord, progress: Progress, t: Texts) -> str:
    """The phase in words."""
    if progress.phase == EVALUATING:
        key = "phase.evaluating_pairs" if record.stage in ("reward", "judge") else "phase.evaluating"
        return t(key, count=progress.count or "–")
    if progress.phase in ("", STEPS):
        if not progress.total:
            return t("phase.loading")
        return t("phase.steps", step=progress.step, total=progress.total)
    return t("phase." + progress.phase) if t.has("phase." + progress.phase) else progress.phase


def meter(record: RunRecord) -> str:
    """A bar with the share of the steps that are done; it moves without a share in the other phases."""
    progress = record.progress
    if record.status == "done":
        return '<div class="meter done"><i style="width:100%"></i></div>'
    if record.status != "running" or progress is None:
        return ""
    steps = progress.phase in ("", STEPS) and progress.total
    if progress.cancelling or not steps:
        return '<div class="meter running busy"><i></i></div>'
    share = min(1.0, progress.step / steps)
    return f'<div class="meter running"><i style="width:{100 * share:.1f}%"></i></div>'


def failure(error: str, code: str | None, t: Texts) -> str:
    """The cause in the words of the page, what to do, and the recorded message to unfold."""
    code = code or Code.UNEXPECTED
    # Of a lost run there is no message: its cause is derived. Others have one, which may quote a number.
    details = "" if code in (Code.LOST, Code.NOT_STARTED) or error == t.cause(code) else error
    unfold = (
        f"<details><summary>{escape(t('error.details'))}</summary><code>{escape(details)}</code></details>"
        if details
        else ""
    )
    cause = f'<div class="advice bad"><b>{escape(t.cause(code) or error)}</b>{unfold}</div>'
    return cause + (parts.advice(t.advice(code)) if t.advice(code) else "")
