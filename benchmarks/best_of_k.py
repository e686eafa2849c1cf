"""How much gold can a reward model find among SFT's answers? Best of k, by temperature.

SFT answers held-out prompts eight times. Each scorer picks the best of the first 2, 4 and 8 answers; the table has the
mean gain in gold over all answers, with its standard error over prompts. What best of k cannot find, PPO will hardly
find, so this shows in minutes whether a study's temperature lets the reward models differ. The scorers are the newest
reward models of the workspace, the bf16 one on a base of 2 bits, and a bag of words.

    python -m benchmarks.best_of_k --workspace W [--prompts 250] [--temperatures 0.7 1.0]
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from data.datasets import read_split
from data.errors import Code, UserError
from data.policies import PRECISIONS
from data.workspace import Workspace
from evaluation import bag_of_words
from models import adapters, loading
from models.prompting import PromptFormat
from models.scoring import RewardModel
from pipeline.runs.lineage import newest_done
from pipeline.runs.record_file import RunRecord
from pipeline.training import measure

SIZES, SEED, LONGEST, ANSWER = (2, 4, 8), 7, 144, 48


def sampled(
    workspace: Workspace, sft: RunRecord, prompts: list[str], temperature: float
) -> list[measure.Responses]:
    """SFT's answers; element k has the k-th answer to each prompt."""
    folder = workspace.run(sft.id) / "model"
    base = loading.resolve_base(adapters.read_card(folder)["base_model"])
    model = adapters.load(
        loading.load_causal(base, "bf16", loading.device()), folder, "sft", base=base
    ).eval()
    prompt_format = PromptFormat(loading.load_tokenizer(base))
    return [
        measure.respond(
            model, prompts, prompt_format, max_length=LONGEST, response_length=ANSWER, temperature=temperature,
            seed=SEED + 1000 * k,
        )
        for k in range(max(SIZES))
    ]  # fmt: skip


def scored(workspace: Workspace, answers: list[measure.Responses]) -> Iterator[tuple[str, np.ndarray]]:
    """(name, scores [P, K]) of each scorer."""
    bf16 = newest_done(workspace, "reward", "tiny", "bf16")
    if bf16 is None:
        raise UserError(f"{workspace.root}: no finished bf16 reward model", code=Code.PARENT_RUN)
    train = read_split(workspace.dataset(bf16.parents.dataset), "train")
    words = bag_of_words.fit([row["chosen"] for row in train], [row["rejected"] for row in train])
    yield "bag of words", np.array([[words.score(text) for text in column.texts] for column in answers]).T
    models = [(newest_done(workspace, "reward", "tiny", precision), precision) for precision in PRECISIONS]
    for run, precision in [*models, (bf16, "rtn2")]:
        if run is None:
            continue
        folder = workspace.run(run.id) / "model"
        base = loading.resolve_base(adapters.read_card(folder)["base_model"])
        end = PromptFormat(loading.load_tokenizer(base)).eos_id
        model = RewardModel.load(folder, base, precision, loading.device())
        columns = [model.score(measure.scored_sequences(column, end)).double().numpy() for column in answers]
        yield precision, np.stack(columns, axis=-1)
        del model
        gc.collect()


def gains(scores: np.ndarray, gold: np.ndarray) -> list[str]:
    """For each size, the mean gain in gold of the answer with the best score, with its standard error."""
    cells = []
    for size in SIZES:
        best = gold[np.arange(len(gold)), scores[:, :size].argmax(axis=1)] - gold.mean(axis=1)
        cells.append(f"{best.mean():+.3f} ± {best.std(ddof=1) / len(best) ** 0.5:.3f}")
    return cells


def rows(workspace: Workspace, prompts: int, temperatures: Sequence[float]) -> Iterator[str]:
    """The lines of the table."""
    sft = newest_done(workspace, "sft", "tiny", None)
    if sft is None:
        raise UserError(
            f"{workspace.root}: no finished SFT run; run `python -m pipeline all --preset tiny` first",
            code=Code.PARENT_RUN,
        )
    asked = measure.held_out_prompts(workspace, sft.parents.dataset, prompts, SEED)
    yield f"| temperature | SFT's gold | scorer |{''.join(f' best of {size} |' for size in SIZES)}"
    yield "|---|---|---|" + "---|" * len(SIZES)
    for temperature in temperatures:
        answers = sampled(workspace, sft, asked, temperature)
        golds = [measure.gold_parts(asked, column.texts) for column in answers]
        gold = np.array([[parts["total"] if parts else np.nan for parts in column] for column in golds]).T
        for name, scores in scored(workspace, answers):
            yield f"| {temperature:g} | {gold.mean():.3f} | {name} | {' | '.join(gains(scores, gold))} |"
        most = gains(gold, gold)
        yield f"| {temperature:g} | {gold.mean():.3f} | gold itself | {' | '.join(most)} |"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workspace", type=Path, default=Path("workspace"))
    parser.add_argument("--prompts", type=int, default=250)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.7, 1.0])
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        for line in rows(Workspace(args.workspace), args.prompts, args.temperatures):
            print(line, flush=True)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
