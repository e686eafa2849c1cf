"""The choices of the fields that name a base model, a data set or a run: what is on this machine, with plain
labels.

They change with the workspace, so a tab asks for them whenever it is opened. Every such field also takes a
value that is typed. Nothing here loads a model.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from data.bases import is_here
from data.datasets import CARD, read_card
from data.errors import UserError
from data.local_bases import LocalBase, base_at, bases_below, cached_bases, cached_datasets
from pipeline.runs.record_file import RunRecord
from ui import parts
from ui.parts import Services
from ui.texts import Texts

# Named on the hub; downloaded when a run needs them.
HUB_BASES = ("distilgpt2", "HuggingFaceTB/SmolLM2-360M-Instruct", "Qwen/Qwen2.5-0.5B-Instruct")
HUB_DATASETS = ("Anthropic/hh-rlhf", "HuggingFaceH4/ultrafeedback_binarized")
Choices = list[tuple[str, str]]


def of_field(services: Services, name: str, t: Texts, *, inherits: bool = False) -> Choices:
    """The choices of a field: a base model, a data set, or the run that a stage starts from.

    inherits: whether an empty base model means that of the parent run.
    """
    if name == "base_model":
        return ([(t("form.parents_base"), "")] if inherits else []) + bases(services, t)
    newest = [(t("form.newest"), "")]
    return newest + (datasets(services, t) if name == "dataset" else runs(services, name, t))


def bases(services: Services, t: Texts) -> Choices:
    """The base models: included, installed, made or put here, used before, in the hub's cache, on the hub."""
    smollm2 = t("base.installed" if is_here("smollm2") else "base.hub", name="SmolLM2-135M-Instruct")
    found = {"tiny": t("base.tiny"), "smollm2": smollm2}
    records = services.runs.list()
    for record in records:
        if record.stage == "pretrain" and record.status == "done":
            path = str(services.workspace.run(record.id) / "model")
            found[path] = t("base.pretrained", when=parts.local_time(record.started))
    workspace = services.workspace
    for base in (*bases_below(workspace.models), *bases_below(workspace.exports), *used(records)):
        found.setdefault(base.value, base_label(base, t))
    for base in cached_bases():
        found.setdefault(base.value, base_label(base, t))
    for name in HUB_BASES:
        found.setdefault(name, t("base.hub", name=name))
    return [(label, value) for value, label in found.items()]


def used(records: Iterable[RunRecord]) -> list[LocalBase]:
    """The folders and GGUF files that earlier runs used and that are still there."""
    named = {str(record.config.get("base_model") or "") for record in records}
    paths = sorted(Path(name) for name in named if Path(name).is_absolute())
    return [base for path in paths if (base := base_at(path))]


def base_label(base: LocalBase, t: Texts) -> str:
    """ "my-model · folder, 271.0 MB" """
    return t(f"base.{base.kind}", name=base.name, size=parts.gigabytes(base.bytes))


def datasets(services: Services, t: Texts) -> Choices:
    """The prepared data sets with their size and source, the newest first."""
    folder = services.workspace.datasets
    cards = [path / CARD for path in folder.iterdir()] if folder.is_dir() else []
    there = sorted((card for card in cards if card.is_file()), key=lambda card: -card.stat().st_mtime)
    return [(dataset_label(card.parent, t), card.parent.name) for card in there]


def dataset_label(folder: Path, t: Texts) -> str:
    """ "hh-rlhf · 8,000 pairs · hub:Anthropic/hh-rlhf"; the name alone where the card is damaged."""
    try:
        card = read_card(folder)
        pairs = sum(int(facts["pairs"]) for facts in card["splits"].values())
    except (UserError, KeyError, TypeError, ValueError):
        return folder.name
    source = str(card.get("source") or "–")
    told = t("dataset.votes") if source == "votes" else t("dataset.tiny") if source == "tiny" else source
    if Path(source).is_absolute():
        told = Path(source).name
    return t("dataset.label", name=folder.name, pairs=f"{pairs:,}", source=told)


def hub_datasets(t: Texts) -> Choices:
    """The data sets of the hub: those in its cache, then two well-known ones."""
    found = {name: t("dataset.cache", name=name) for name in cached_datasets()}
    for name in HUB_DATASETS:
        found.setdefault(name, name)
    return [(label, name) for name, label in found.items()]


def runs(services: Services, name: str, t: Texts) -> Choices:
    """The done runs that a field such as sft_run can name, the newest first."""
    stage = "reward" if name == "start_run" else name.removesuffix("_run")
    records = [r for r in services.runs.list() if r.stage == stage and r.status == "done"]
    return [(parts.run_label(r, t), r.id) for r in records]
