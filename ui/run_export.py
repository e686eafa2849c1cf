"""The export of a run's model, below the run in the Runs tab: what `python -m pipeline export` does.

A model that is small enough can be downloaded as one file; of every other one the page names the folder.
"""

from __future__ import annotations

import secrets
import shlex
import zipfile
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from data.errors import Code, UserError
from evaluation.resources import folder_bytes
from pipeline.arena import one_policy
from pipeline.commands import export
from pipeline.settings.stages import STAGES
from ui import parts
from ui.events import QUIET, WORK, shown
from ui.parts import Services
from ui.run_chat import version_choice
from ui.texts import Texts

DOWNLOAD_BYTES = 120_000_000  # a larger one would take most of the room for uploads and downloads


def build(services: Services, t: Texts, choice: gr.Dropdown, stand: gr.State) -> None:
    """Draw the panel and bind it to the chosen run. stand: its `run_detail.standing`."""
    with gr.Accordion(t("take.title"), open=False, visible=False, elem_id="run-export") as panel:
        version = gr.Dropdown([], label=t("chat.version"), filterable=False, visible=False)
        form = gr.Radio(
            [(t(f"take.{name}"), name) for name in export.FORMS],
            value=export.FORMS[0],
            label=t("take.form"),
            elem_id="export-form",
        )
        command = gr.HTML(padding=False, elem_id="export-command")
        with gr.Row(elem_classes="round-tools"):
            start = gr.Button(t("take.do"), size="sm", scale=0, min_width=110, elem_id="export-run")
            file = gr.DownloadButton(
                t("take.download", size="–"), visible=False, size="sm", scale=0, elem_id="export-download"
            )
        told = gr.HTML(padding=False, elem_id="export-told")
    of_run = gr.State("")  # the run that the panel shows
    name = gr.Textbox(visible=False)  # the version, as in `ui.run_chat`
    asked = [choice, name, form]
    said: dict[str, Any] = {
        "fn": lambda run_id, name, kind: (command_html(services, run_id or "", name, kind, t), "", hidden()),
        "inputs": asked,
        "outputs": [command, told, file],
    }
    gr.on(
        [choice.change, stand.change],
        lambda run_id, name, before: offered(services, run_id or "", name, before, t),
        [choice, name, of_run],
        [panel, version, name, of_run],
        **QUIET,
    ).then(**said, **QUIET)
    version.input(None, [version], [name], js="(version) => version", api_visibility="private").then(
        **said, **QUIET
    )
    form.change(**said, **QUIET)
    start.click(
        shown(lambda run_id, name, kind: exported(services, run_id or "", name, kind, t), t),
        asked,
        [told, file],
        **WORK | {"concurrency_id": "export", "concurrency_limit": 1},
    )


def offered(services: Services, run_id: str, name: str, before: str, t: Texts) -> tuple[Any, ...]:
    """The panel for a run, the choice of a version, its name and the run; hidden without a model.

    name: the chosen version. before: the run that the panel showed.
    """
    there = can_export(services, run_id)
    found = one_policy.versions(services.workspace, services.runs.read(run_id)) if there else []
    names = [version.name for version in found]
    value = name if run_id == before and name in names else next(iter(names), "")
    return gr.Accordion(visible=there), version_choice(names, value, t), value, run_id


def step_of(name: str) -> int | None:
    """The step of a snapshot; None for the end of the run."""
    return None if name in ("", one_policy.LAST) else int(name)


def can_export(services: Services, run_id: str) -> bool:
    """Whether a run is done and has trained a model."""
    if not run_id:
        return False
    try:
        record = services.runs.read(run_id)
    except UserError:
        return False
    return record.status == "done" and record.stage in STAGES and STAGES[record.stage].trains_adapter


def command_html(services: Services, run_id: str, name: str, kind: str, t: Texts) -> str:
    """The equivalent command; "" for a run that cannot be exported."""
    if not can_export(services, run_id):
        return ""
    line = shlex.join(export.command_line(services.workspace, run_id, kind, step_of(name)))
    label = f'<span class="quiet small">{escape(t("form.command"))}</span>'
    return f'{label}<pre class="line">{escape(line)}</pre>'


def exported(services: Services, run_id: str, name: str, kind: str, t: Texts) -> tuple[Any, ...]:
    """Export the model; returns what the page says about it, and the button that downloads it."""
    if not can_export(services, run_id):
        raise UserError("choose a run that is done first", code=Code.RUN)
    folder = export.export_apart(services.workspace, run_id, kind, step_of(name))
    size = folder_bytes(folder)
    small = size <= DOWNLOAD_BYTES
    lines = [f"<b>{escape(t('take.done', size=parts.gigabytes(size)))}</b>"]
    lines += [f"<code>{escape(str(folder))}</code>"]
    lines += [] if small else [escape(t("take.too_large"))]
    trains = STAGES[services.runs.read(run_id).stage].trains
    lines += [escape(t("take.as_base"))] if kind == "merged" and trains == "policy" else []
    html = f'<div class="advice">{"<br>".join(lines)}</div>'
    if not small:
        return html, hidden()
    label = t("take.download", size=parts.gigabytes(size))
    return html, gr.DownloadButton(label, value=str(zipped(folder)), visible=True)


def zipped(folder: Path) -> Path:
    """The folder as one file, in the place whose files go after a while (`ui.uploads`)."""
    target = Path(get_upload_folder()) / secrets.token_hex(16) / f"{folder.name}.zip"
    target.parent.mkdir(parents=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # weights do not compress
        for path in sorted(folder.rglob("*")):
            archive.write(path, Path(folder.name) / path.relative_to(folder))
    return target


def hidden() -> Any:
    """The download button without a file."""
    return gr.DownloadButton(visible=False)
