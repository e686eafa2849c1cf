"""Alarms of a PPO run: they report known failures that are hard to recognise in the curves.

Each alarm fires once per run, as an event in its record: a gradient that is exactly zero, a collapsing
entropy, a runaway KL, and the classic over-optimisation, in which the reward model's score rises while the
gold reward falls (`evaluation.alarm` has the rule and how often it is right). An alarm reports; it does not
stop the run.
"""

from __future__ import annotations

from evaluation import alarm
from pipeline.runs.record import Run

WINDOW = 5  # steps that each side of a comparison averages
COLLAPSE = 0.1  # share of the first steps' entropy
RUNAWAY_KL = 1.0  # nats per token
KEPT = (
    "step", "objective/scores_standardised", "objective/kl", "objective/kl_per_token", "response/length",
    "policy/entropy_avg", "gold/mean",
)  # fmt: skip


class Alarms:
    """Checks each row of metrics.jsonl. against_gold: whether gold itself is the reward, which nothing can
    exploit."""

    def __init__(self, run: Run, against_gold: bool = False):
        self.run, self.against_gold = run, against_gold
        self.rows: list[dict[str, float]] = []
        self.fired: set[str] = set()

    def look(self, row: dict[str, float]) -> None:
        if row.get("grad_norm") == 0.0:
            self._fire(
                "zero gradient", f"step {row['step']}: the gradient is exactly zero; nothing is being learned"
            )
        self.rows.append({name: float(row[name]) for name in KEPT if name in row})
        if len(self.rows) < 2 * WINDOW:
            return
        first, last = self.rows[:WINDOW], self.rows[-WINDOW:]
        entropy = _mean(last, "policy/entropy_avg")
        if entropy < COLLAPSE * _mean(first, "policy/entropy_avg"):
            self._fire(
                "entropy collapse",
                f"entropy fell to {entropy:.3f} nats per token; raise kl_coef or lower learning_rate",
            )
        kl = _mean(last, "objective/kl_per_token")
        if kl > RUNAWAY_KL:
            self._fire(
                "runaway KL",
                f"the policy is {kl:.2f} nats per token from SFT; raise kl_coef or lower learning_rate",
            )
        if not self.against_gold:
            self._look_for_over_optimisation()

    def _look_for_over_optimisation(self) -> None:
        points = [point for row in self.rows if (point := alarm.Point.from_metrics(row))]
        falls = alarm.signals(points).get("gold")
        known = alarm.measured()
        limit = known.threshold("gold") if known else alarm.UNMEASURED["gold"]
        if falls and falls[-1] > limit:
            self._fire(
                "over-optimisation",
                f"the reward model's score has risen while gold is {falls[-1]:.2f} below its best: "
                "the policy exploits the reward model",
            )

    def _fire(self, kind: str, message: str) -> None:
        if kind not in self.fired:
            self.fired.add(kind)
            self.run.event(kind, message)

    def state(self) -> dict:
        return {"rows": self.rows, "fired": sorted(self.fired)}

    def restore(self, state: dict) -> None:
        self.rows, self.fired = list(state["rows"]), set(state["fired"])


def _mean(rows: list[dict[str, float]], name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)
