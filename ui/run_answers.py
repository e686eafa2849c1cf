"""The answers of the compared runs to one prompt, step by step, from their samples.

PPO and SFT record answers to the same held-out prompts at several steps, `evaluate` those of all policies.
Texts of models stand in a table of plain text and are never rendered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from data.records import messages
from pipeline.runs import reader as runs
from pipeline.runs.record_file import RunRecord
from ui import parts
from ui.parts import Services
from ui.texts import Texts

MOST_RUNS, MOST_PROMPTS, MOST_ROWS = 8, 40, 80


def build(t: Texts) -> tuple[gr.Dropdown, gr.Dataframe, gr.Column]:
    """The choice of a prompt, the table of answers, and what holds both; hidden while there are no
    answers."""
    with gr.Column(visible=False, elem_id="compare-answers") as body:
        gr.HTML(parts.title(t("compare.answers")), padding=False)
        prompt = gr.Dropdown([], label=t("samples.prompt"), filterable=False, elem_id="compare-prompt")
        table = gr.Dataframe(
            headers=[t(f"samples.{name}") for name in ("step", "run", "answer", "score", "gold")],
            datatype="str", interactive=False, wrap=True, show_label=False, max_height=420,
            elem_classes="plain-frame", column_widths=["60px", "130px", "56%", "80px", "80px"],
        )  # fmt: skip
    return prompt, table, body


def nothing() -> tuple[Any, ...]:
    """The values of body, prompt and table without answers."""
    return gr.Column(visible=False), gr.skip(), gr.skip()


def show(services: Services, records: Sequence[RunRecord], chosen: str | None, t: Texts) -> tuple[Any, ...]:
    """The values of body, prompt and table: for the chosen prompt, or the first that most of the runs
    answered."""
    samples = samples_of(services, records)
    prompts = shared_prompts([[row["prompt"] for row in rows] for rows in samples.values()])
    if not prompts:
        return nothing()
    offered = prompts[:MOST_PROMPTS]
    prompt = chosen if chosen in offered else offered[0]
    table = gr.Dataframe(value=table_of(samples, records, prompt, t))
    choice = gr.Dropdown(choices=[(one_line(text), text) for text in offered], value=prompt)
    return gr.Column(visible=True), choice, table


def rows(services: Services, ids: Sequence[str], prompt: str | None, t: Texts) -> Any:
    """The table for a chosen prompt."""
    known = {record.id: record for record in services.runs.list()}
    records = [known[run_id] for run_id in ids if run_id in known]
    return gr.Dataframe(value=table_of(samples_of(services, records), records, prompt or "", t))


def samples_of(services: Services, records: Sequence[RunRecord]) -> dict[str, list[dict[str, Any]]]:
    """The samples with a prompt and an answer of the first runs, by run id."""
    found = {}
    for record in records[:MOST_RUNS]:
        read = runs.read_samples(services.workspace, record.id)
        kept = [row for row in read if isinstance(row.get("prompt"), str) and row.get("response") is not None]
        if kept:
            found[record.id] = kept
    return found


def shared_prompts(prompts: Sequence[Sequence[str]]) -> list[str]:
    """All prompts, those first that most runs answered, else in the order of their first answer."""
    runs_with: dict[str, int] = {}
    for one in prompts:
        for prompt in dict.fromkeys(one):
            runs_with[prompt] = runs_with.get(prompt, 0) + 1
    order = list(runs_with)
    return sorted(order, key=lambda prompt: -runs_with[prompt])


def table_of(
    samples: dict[str, list[dict[str, Any]]], records: Sequence[RunRecord], prompt: str, t: Texts
) -> list[list[str]]:
    """One row per step and run: step, run, answer, score, gold."""
    titles = {record.id: parts.run_title(record, t) for record in records}
    found = [
        (int(row.get("step") or 0), number, run_id, row)
        for number, (run_id, mine) in enumerate(samples.items())
        for row in mine
        if row["prompt"] == prompt
    ]
    found.sort(key=lambda item: item[:2])
    return [
        [
            str(step),
            str(row.get("policy") or f"{titles[run_id]} {run_id[-4:]}"),
            str(row["response"]).strip(),
            parts.number(row.get("score")),
            parts.number(gold_of(row)),
        ]
        for step, _, run_id, row in found[-MOST_ROWS:]
    ]


def gold_of(row: dict[str, Any]) -> Any:
    """The gold of a sample; `evaluate` records its parts too."""
    gold = row.get("gold")
    return gold.get("total") if isinstance(gold, dict) else gold


def one_line(prompt: str) -> str:
    """The last question of a prompt, short enough for a choice."""
    turns = [turn["content"] for turn in messages(prompt) if turn["role"] == "user"]
    text = " ".join((turns[-1] if turns else prompt).split())
    more = f" (+{len(turns) - 1})" if len(turns) > 1 else ""
    return (text if len(text) <= 90 else text[:89] + "…") + more
