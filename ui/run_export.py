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
from pipeline.commands import export
from pipeline.settings.stages import STAGES
from ui import parts
from ui.events import QUIET, WORK, shown
from ui.parts import Services
from ui.texts import Texts

DOWNLOAD_BYTES = 120_000_000  # a larger one would take most of the room for uploads and downloads


def build(services: Services, t: Texts, choice: gr.Dropdown, card: gr.HTML) -> None:
    """Draw the panel and bind it to the chosen run. card: shows the run and changes with its state."""
    with gr.Accordion(t("take.title"), open=False, visible=False, elem_id="run-export") as panel:
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
    said = [command, told, file]
    gr.on(
        [choice.change, card.change, form.change],
        lambda run_id, kind: offered(services, run_id or "", kind, t),
        [choice, form],
        [panel, *said],
        **QUIET,
    )
    start.click(
        shown(lambda run_id, kind: exported(services, run_id or "", kind, t), t),
        [choice, form],
        said[1:],
        **WORK | {"concurrency_id": "export", "concurrency_limit": 1},
    )


def offered(services: Services, run_id: str, kind: str, t: Texts) -> tuple[Any, ...]:
    """The panel for a run, with the command that does the same; hidden without a model."""
    there = can_export(services, run_id)
    return gr.Accordion(visible=there), command_html(services, run_id, kind, t) if there else "", "", hidden()


def can_export(services: Services, run_id: str) -> bool:
    """Whether a run is done and has trained a model."""
    if not run_id:
        return False
    try:
        record = services.runs.read(run_id)
    except UserError:
        return False
    return record.status == "done" and record.stage in STAGES and STAGES[record.stage].trains_adapter


def command_html(services: Services, run_id: str, kind: str, t: Texts) -> str:
    """The equivalent command."""
    to = export.folder_of(services.workspace, run_id, kind)
    line = shlex.join(export.command_line(services.workspace, run_id, to, kind))
    label = f'<span class="quiet small">{escape(t("form.command"))}</span>'
    return f'{label}<pre class="line">{escape(line)}</pre>'


def exported(services: Services, run_id: str, kind: str, t: Texts) -> tuple[Any, ...]:
    """Export the model; returns what the page says about it, and the button that downloads it."""
    if not can_export(services, run_id):
        raise UserError("choose a run that is done first", code=Code.RUN)
    folder = export.export_apart(services.workspace, run_id, kind)
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
