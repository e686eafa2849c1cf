"""The data tab: choose a source, validate an upload line by line, prepare a data set, read its card and
browse its pairs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from data.datasets import read_card
from data.errors import Code, UserError
from data.sources import default_name
from data.validation import read_pairs
from ui import choices, job_card, pairs, parts, terms
from ui import form as forms
from ui.events import QUIET, WORK, shown
from ui.parts import Services
from ui.run_view import find, stage_runs
from ui.texts import Texts
from ui.training import command_box, start_bar

LEFT_OUT = frozenset({"source"})
KEPT_BYTES = 1 << 30  # limit for all uploads in the workspace together


@dataclass
class Source:
    """The components that choose the source of the pairs."""

    kind: gr.Radio
    hub: gr.Dropdown
    upload: gr.File

    def inputs(self) -> list[gr.components.Component]:
        return [self.kind, self.hub, self.upload]


def build(
    services: Services, t: Texts, preset: gr.Radio, opened: Sequence[Callable[..., Any]]
) -> dict[str, Any]:
    """Build the tab and bind its handlers. Returns its timer, its form and the handler that fills it.

    opened: the events that show the tab.
    """
    gr.HTML(parts.intro(terms.explained(t("intro.data"), t)), padding=False)
    with gr.Row(elem_classes="work"):
        with gr.Column(scale=4, min_width=320, elem_classes="form-side"):
            source, checked = build_source(t)
            form = forms.build("prepare", t, leave_out=LEFT_OUT)
            problem, start, reset = start_bar("prepare", t)
            command = command_box("prepare", t)
        with gr.Column(scale=7, min_width=320, elem_id="view-prepare"):
            card = gr.HTML(padding=False, elem_id="card-prepare")
            cancel = gr.Button(t("run.cancel"), size="sm", visible=False, elem_id="cancel-prepare")
            chosen = gr.Dropdown([], label=t("data.choose"), filterable=False)
            about = gr.HTML(padding=False)
            pairs.build(services, t, chosen)
    timer, seen = gr.Timer(2.0, active=False), gr.State("")
    outputs = [seen, card, cancel, chosen]

    def plan(preset_value: str, kind: str, hub: str, upload: str | None, *values: Any) -> tuple[str, str]:
        return preview(services, preset_value, kind, hub, upload, form.names(), values, t)

    def launch(preset_value: str, kind: str, hub: str, upload: str | None, *values: Any) -> tuple[Any, ...]:
        changed = changes(services, preset_value, kind, hub, upload, form.names(), values, keep=True)
        services.jobs.start("prepare", preset_value, None, changed)
        gr.Info(t("start.done", count=1), duration=4)
        return show(services, "", t)

    def stop() -> tuple[Any, ...]:
        record = find(stage_runs(services, "prepare"), "")
        if record is not None:
            services.jobs.cancel(record.id)
        return show(services, "", t)

    forms.on_change(form, [preset, *source.inputs()], plan, [problem, command], opened)
    source.kind.change(kind_fields, [source.kind], [source.hub, source.upload, checked], **QUIET)
    source.upload.upload(lambda path: check_upload(path, t), [source.upload], [checked], **WORK)
    forms.keep(form, preset)
    start.click(shown(launch, t), [preset, *source.inputs(), *form.components], outputs, **WORK).then(
        None, None, None, js="() => playground.reveal('view-prepare')", api_visibility="private"
    )
    reset.click(
        lambda preset_value: forms.defaults("prepare", preset_value, form.names()), [preset], form.components,
        js="(preset) => (playground.forget('prepare', preset), [preset])", **QUIET,
    )  # fmt: skip
    cancel.click(shown(stop, t), None, outputs, **WORK)
    timer.tick(lambda last: show(services, last, t), [seen], outputs, **QUIET)
    chosen.change(shown(lambda name: about_html(services, name, t), t), [chosen], [about], **QUIET)
    return {
        "timer": timer,
        "form": form,
        "refresh": {"fn": lambda: show(services, "", t), "inputs": [], "outputs": outputs},
    }


def build_source(t: Texts) -> tuple[Source, gr.HTML]:
    """The choice of a source, and the result of validating an upload."""
    kind = gr.Radio(
        [(t("data.source." + k), k) for k in ("preset", "hub", "file", "votes")],
        value="preset",
        label=t("data.source"),
        elem_id="data-source",
    )
    hub = gr.Dropdown(
        choices.hub_datasets(t),
        value=choices.HUB_DATASETS[0],
        label=t("data.hub"),
        info=t("data.hub_info"),
        visible=False,
        allow_custom_value=True,
        elem_id="data-hub",
    )
    upload = gr.File(
        label=t("data.upload"), file_types=[".jsonl"], type="filepath", visible=False, height=140
    )
    return Source(kind, hub, upload), gr.HTML(padding=False, elem_id="upload-check")


def kind_fields(kind: str) -> tuple[Any, ...]:
    """Show the fields that belong to a kind of source."""
    return gr.Dropdown(visible=kind == "hub"), gr.File(visible=kind == "file"), ""


def check_upload(path: str | None, t: Texts) -> str:
    """The result of validating an upload: its counts, or the first invalid line."""
    if not path:
        return ""
    name = Path(path).name
    try:
        counts = read_pairs(path).counts
    except UserError as error:
        return parts.advice(str(error).replace(str(path), name), bad=True)
    dropped = {k: v for k, v in counts.items() if k not in ("lines", "accepted", "blank") and v}
    found = t("data.upload_ok", accepted=counts["accepted"], lines=counts["lines"])
    if dropped:
        found += " " + t(
            "data.upload_dropped", what=", ".join(f"{v} {t('count.' + k)}" for k, v in dropped.items())
        )
    return f'<p class="pass">✓ {escape(found)}</p>'


def changes(
    services: Services,
    preset: str,
    kind: str,
    hub: str,
    upload: str | None,
    names: Sequence[str],
    values: Sequence[Any],
    keep: bool = False,
) -> list[str]:
    """The overrides of a prepare run. With `keep`, an upload is copied into the workspace, where the job
    reads it."""
    changed = forms.overrides("prepare", preset, names, values)
    if kind == "preset":
        return changed
    source = {"hub": f"hub:{hub.strip()}", "votes": "votes"}.get(kind) or keep_upload(services, upload, keep)
    if not any(text.startswith("name=") for text in changed):
        changed.append(f"name={default_name(source)}")
    return [f"source={source}", *changed]


def keep_upload(services: Services, upload: str | None, keep: bool) -> str:
    """The path of an upload in the workspace's cache. Raises UserError if nothing was uploaded."""
    if not upload:
        raise UserError("upload a .jsonl file first", code=Code.FILE)
    target = services.workspace.upload(default_name(Path(upload).name))
    if keep:
        folder = target.parent
        folder.mkdir(parents=True, exist_ok=True)
        others = sum(file.stat().st_size for file in folder.iterdir() if file != target)
        if others + Path(upload).stat().st_size > KEPT_BYTES:
            raise UserError(
                f"{folder} holds too much already: remove files there that no run needs any more",
                code=Code.FILE,
            )
        shutil.copyfile(upload, target)
    return str(target)


def preview(
    services: Services,
    preset: str,
    kind: str,
    hub: str,
    upload: str | None,
    names: Sequence[str],
    values: Sequence[Any],
    t: Texts,
) -> tuple[str, str]:
    """The form's first problem (as HTML), and its command line."""
    try:
        changed = changes(services, preset, kind, hub or "", upload, names, values)
    except UserError as error:
        return parts.problem(f"{t.advice(error.code)} ({error})".strip()), ""
    wrong = forms.problem("prepare", preset, None, changed, t)
    return parts.problem(wrong), parts.command(services, "prepare", preset, None, changed)


def show(services: Services, seen: str, t: Texts) -> tuple[Any, ...]:
    """The state of the newest prepare run, and the existing data sets; skips both if unchanged."""
    record = find(stage_runs(services, "prepare"), "")
    found = choices.datasets(services, t)
    told = job_card.now(record, t) if record else []
    now = f"{record and record.id} {record and record.status} {told} {found}"
    if now == seen:
        return (gr.skip(),) * 4
    newest = record.results.get("dataset") if record else None
    names = [name for _, name in found]
    value = newest if newest in names else next(iter(names), None)
    live = record is not None and record.status in parts.LIVE
    return (
        now,
        job_card.card(record, t) if record else "",
        gr.Button(visible=live),
        gr.Dropdown(choices=found, value=value),
    )


def about_html(services: Services, name: str | None, t: Texts) -> str:
    """The data set's card: a table of its splits and a list of facts."""
    if not name:
        return f'<p class="quiet">{escape(t("data.none"))}</p>'
    card = read_card(services.workspace.dataset(name))
    lengths = card.get("lengths", {})
    rows = [
        [t("data." + split), f["pairs"], f["prompts"], f["sha256"][:10]]
        for split, f in card["splits"].items()
    ]
    dropped = ", ".join(
        f"{v} {t('count.' + k)}"
        for k, v in card["counts"].items()
        if v and k in ("duplicates", "identical", "empty", "overlap", "left_out", "too_long", "unusable")
    )
    facts = [
        t("data.from", source=card["source"], licence=card.get("licence") or "–"),
        t(
            "data.lengths",
            prompt=lengths.get("prompt", {}).get("median", "–"),
            chosen=lengths.get("chosen", {}).get("median", "–"),
            rejected=lengths.get("rejected", {}).get("median", "–"),
        ),
        t("data.leak_ok" if card["leakage"]["passed"] else "data.leak_bad"),
    ]
    if dropped:
        facts.append(t("data.dropped", what=dropped))
    listed = "".join(f"<li>{escape(fact)}</li>" for fact in facts)
    head = [t("data.split"), t("data.pairs"), t("data.prompts"), "SHA-256"]
    return parts.table(head, rows) + f'<ul class="reading">{listed}</ul>'
