"""Simulated raters with known tastes, for tests of the arena's statistics. They never stand for people: their
votes are not written to a vote database or shown in the app.

A rater r ranks four answers by utility = strength of the policy + taste of r for the policy + bias for the
pane + Gumbel noise, so that without ties a beats b with probability sigmoid(difference of the rest); answers
closer than `tie` are tied. A spammer ranks at random. Panes are permuted at random. The truth of a contrast
is the preference among decisive votes, averaged over the panes: of each rater, of the raters who vote (for
"these raters"), and of the population (for "people").
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

POLICIES = ("sft", "ppo-bf16", "ppo-int8", "ppo-int4")
# The contrasts of the app: (a, b, margin is asked for), as indices into POLICIES.
CONTRASTS = ((2, 1, True), (3, 1, True), (1, 0, False), (2, 0, False), (3, 0, False))
MARGIN = 0.15
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(40)


@dataclass(frozen=True)
class World:
    """The properties of the simulated raters. strengths: of POLICIES, in logits. taste: standard deviation of a
    rater's own utility of a policy. pane: utility of each pane. tie: answers closer than this are tied.
    spammers: number of raters who rank at random."""

    raters: int = 20
    votes: int = 30
    strengths: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    taste: float = 0.5
    pane: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    tie: float = 0.3
    spammers: int = 0

    @property
    def rounds(self) -> int:
        return self.raters * self.votes


@dataclass(frozen=True)
class Studies:
    """S simulated studies of N votes: rater [S, N]; sign [S, N, C], the vote on each contrast (1, 0, -1); own
    [S, N, C], the preference for a that this rater has in these panes among decisive votes; people [C], the
    population's preference."""

    rater: np.ndarray
    sign: np.ndarray
    own: np.ndarray
    people: np.ndarray


def decisive_preference(difference: np.ndarray, tie: float) -> tuple[np.ndarray, np.ndarray]:
    """(P(a above b), P(b above a)) of logistic noise on a difference in utility, ties closer than `tie`."""
    return expit(difference - tie), expit(-difference - tie)


def population_preference(world: World, a: int, b: int, lead: float | None = None) -> float:
    """Preference for a among decisive votes of a rater drawn from the population, averaged over the panes.

    A rater's share is over that rater's decisive votes, so panes are averaged within the rater first.
    """
    lead = world.strengths[a] - world.strengths[b] if lead is None else lead
    taste = lead + NODES * world.taste * np.sqrt(2)
    panes = np.array([world.pane[i] - world.pane[j] for i, j in permutations(range(4), 2)])
    for_a, for_b = decisive_preference(taste[:, None] + panes, world.tie)
    own = for_a.mean(axis=1) / (for_a + for_b).mean(axis=1)
    honest = float(WEIGHTS @ own / WEIGHTS.sum())
    spam = world.spammers / world.raters
    return (1 - spam) * honest + spam / 2


def lead_for(world: World, preference: float) -> float:
    """The lead in strength that gives the population this preference."""
    return brentq(lambda lead: population_preference(world, 2, 1, lead) - preference, -12, 12)


def simulate(world: World, studies: int, rng: np.random.Generator) -> Studies:
    """Simulate studies in which all raters vote once per turn, in a random order that differs in every turn."""
    shape = (studies, world.raters)
    taste = rng.normal(0, world.taste, (*shape, 4)) if world.taste else np.zeros((*shape, 4))
    utility = np.array(world.strengths) + taste
    rater = np.argsort(rng.random((studies, world.votes, world.raters)), axis=2).reshape(studies, -1)
    pane = np.argsort(rng.random((studies, world.rounds, 4)), axis=2)
    seen = np.take_along_axis(utility, rater[:, :, None], axis=1) + np.array(world.pane)[pane]
    spam = (rater < world.spammers)[:, :, None]
    score = np.where(spam, 0.0, seen) + rng.gumbel(size=seen.shape)
    a, b = ([contrast[side] for contrast in CONTRASTS] for side in (0, 1))
    gap = score[:, :, a] - score[:, :, b]
    sign = np.where(np.abs(gap) < world.tie, 0, np.sign(gap)).astype(np.int8)
    for_a, for_b = decisive_preference(np.where(spam, 0.0, seen[:, :, a] - seen[:, :, b]), world.tie)
    people = np.array([population_preference(world, i, j) for i, j, _ in CONTRASTS])
    return Studies(rater, sign, for_a / (for_a + for_b), people)
