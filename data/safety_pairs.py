"""Requests and answers about declining and helping, written by the project.

In 2,600 pairs of HH there are about fifty in which exactly one answer declines, too few for a model to learn how
to treat harmful requests, and most prompts of HH's harmless part are not harmless, so that a policy that is
rarely rewarded for an answer learns not to answer. Two tables close this gap: ``safety/harmful.jsonl`` holds
harmful requests by subject with caring sentences for each subject, and ``safety/harmless.jsonl`` holds ordinary
requests with short answers, some of them in words that sound harmful. They contain no information that helps
anybody to do harm. This module draws rows for SFT (`everyday_answers`, `refusals`), pairs for reward models
(`safety_pairs`) and prompts for PPO (`practice_prompts`); `data.own_pairs` puts answers of the SFT policy into the
pairs. Combining rules for refusals with human preferences
follows Mu et al. 2024, arXiv 2411.01111.

    safety_pairs(300, seed=42)
"""

import random
import re
from dataclasses import dataclass
from pathlib import Path

from data.files import read_jsonl
from data.records import Pair, transcript

KIND_DECLINE, KIND_ANSWER = "decline", "answer"
CARED = 0.9  # share of refusals that are followed by a caring sentence
# Rejected responses to harmful requests, in percent: going along, the answer to another request, an evasion.
REJECTED_AT_HARMFUL = (55, 25, 20)
# Pairs for harmless requests, in percent: answer before the answer to another request, answer before refusal,
# answer before evasion, answer to another request before refusal.
ORDERS = (20, 20, 15, 45)

_DECLINED = (
    "I'm sorry, but I can't help with that.", "I can't help you with that.", "I'm sorry, I won't help with that.",
    "No, I can't help with that.", "I don't want to help with that.", "I'm not able to help with this.",
    "I'm sorry, I can't do that.", "I won't help you do that.", "Sorry, I can't help you with this.",
    "I don't think I should help with that.",
)  # fmt: skip
# Answers that go along with a harmful request. They take up its words, as the answers of a policy do, and say
# nothing about how it is done.
_HOW = (
    "To {act}, start slowly and make sure that nobody sees you.", "You can {act} in a few simple steps. It isn't hard.",
    "To {act}, first get everything that you need, and then take your time.", "The best way to {act} is to be quick and careful.",
    "If you want to {act}, you need some things from a shop and a quiet evening.", "You could {act} with the help of a friend.",
    "To {act}, mix a little water with some soap and wait for ten minutes.", "Try to {act} at home first, and practise it every day.",
)  # fmt: skip
_TEXT = (
    "Here is {text}: once there was a man who knew it all, and everybody laughed.", "Sure! I have written {text} for you. It is short.",
    "Of course. This is {text} that your friends will like.", "Here's {text}. I think that it is good and very clear.",
)  # fmt: skip
_CLAIM = (
    "It is true that {claim}. Everybody knows it, and it has always been so.", "Yes, {claim}. There are many reasons for it.",
    "Many people think that {claim}, and they are right.", "The reason is simple: {claim}, and nobody can change it.",
)  # fmt: skip
_OTHER = (
    "Sure, I can help you with that. {request} You should start today.", "{request} It depends on what you have at home.",
    "Yes, of course. {request} You should do what you feel.", "That's a great idea! {request} Plan it well, and be careful.",
)  # fmt: skip
# What a request asks for: (its opening, the name of the rest in the answers, the answers).
_KINDS = (
    (
        r"(?:how (?:do|can|could|would|should|to) ?(?:i|you|we|one)?|(?:please |can you )?(?:tell|show|teach) me how to|"
        r"(?:can you |please )?help me(?: to)?|explain how to|what(?:'s| is) the \w+(?: \w+)? way to|"
        r"i(?: want|'d like| would like|'m going| am going| plan| need) to|give me (?:tips|a plan|a trick) to) (?P<rest>.+)",
        "act", _HOW,
    ),
    (r"(?:please )?(?:write|tell me|give me|make|draft|invent) (?P<rest>an? .+)", "text", _TEXT),
    (r"(?:explain|tell me|convince me|prove|show)(?: to me)? (?:why|that) (?P<rest>.+)", "claim", _CLAIM),
)  # fmt: skip
EVASIONS = (
    "I'm not sure.", "I don't know.", "I'm not sure what you're asking.", "I'm sorry, I don't understand.",
    "I don't know what you mean by that.", "I don't have any information about that.", "I have no idea.",
    "I'm sorry, I'm not familiar with that.", "I'm not sure. What do you think?", "Can you tell me more?",
    "I'm not sure what you're looking for. Can you tell me more about it?", "What do you mean?",
    "I'm sorry, I'm unable to provide that information.", "I don't know much about that, I'm afraid.",
    "I'm not sure I can help you with that.", "I would need more information to answer that.",
    "I don't think I know the answer to that question.", "What would you like to know?", "I can help you with that.",
    "That's a good question. I'm not sure how to answer it.",
)  # fmt: skip


@dataclass(frozen=True)
class _Subject:
    requests: tuple[str, ...]
    cares: tuple[str, ...]  # sentences that may follow a refusal


@dataclass(frozen=True)
class _Tables:
    harmful: tuple[_Subject, ...]
    harmless: tuple[tuple[str, str], ...]  # (request, answer)


def all_requests() -> list[str]:
    """Every built-in request once, the harmful ones first."""
    harmful = [request for subject in _tables().harmful for request in subject.requests]
    return list(dict.fromkeys([*harmful, *harmless_answers()]))


def harmless_answers() -> dict[str, str]:
    """The harmless requests with their answers."""
    return dict(_tables().harmless)


def everyday_answers(count: int, seed: int) -> list[Pair]:
    """`count` harmless requests with short answers, for SFT; the table repeats if it is shorter."""
    drawn, table = random.Random(f"everyday answers {seed}"), list(_tables().harmless)
    rows: list[Pair] = []
    while len(rows) < count:
        drawn.shuffle(table)
        rows += [_pair(asked, answer, drawn.choice(EVASIONS), KIND_ANSWER) for asked, answer in table]
    return rows[:count]


def refusals(count: int, seed: int) -> list[Pair]:
    """`count` harmful requests with a refusal, for SFT; the table repeats, with other words, if it is shorter."""
    drawn, tables = random.Random(f"refusals {seed}"), _tables()
    rows: list[Pair] = []
    while len(rows) < count:
        rows += _declines(tables, drawn, count - len(rows))
    return rows


def practice_prompts(count: int, seed: int) -> list[str]:
    """The distinct prompts of `safety_pairs`."""
    return list(dict.fromkeys(pair.prompt for pair in safety_pairs(count, seed)))


def safety_pairs(count: int, seed: int) -> list[Pair]:
    """`count` distinct pairs, half of kind "decline" and half of kind "answer"; determined by the seed.

    For a harmful request, a refusal, mostly with a caring sentence, is preferred to an evasion, to the answer to
    another request, and to going along. For a harmless one, its answer is preferred to the answer to another
    request and to an evasion, and both answers are preferred to a refusal: a weak policy's attempts resemble the
    answer to another request, and they must score better than declining. If the tables hold fewer pairs, all
    are returned.
    """
    tables, drawn = _tables(), random.Random(f"safety pairs {seed}")
    answered = _answers(tables, drawn, count // 2)
    pairs = answered + _declines(tables, drawn, count - len(answered))
    drawn.shuffle(pairs)
    return pairs


def _declines(tables: _Tables, drawn: random.Random, count: int) -> list[Pair]:
    """Pairs that decline: each subject equally often as long as its requests last, each request once."""
    pools = [drawn.sample(subject.requests, len(subject.requests)) for subject in tables.harmful]
    pairs: list[Pair] = []
    while len(pairs) < count and any(pools):
        for subject, pool in zip(tables.harmful, pools, strict=True):
            if pool and len(pairs) < count:
                asked = pool.pop()
                bad = (_went_along(drawn, asked), drawn.choice(tables.harmless)[1], drawn.choice(EVASIONS))
                worse = drawn.choices(bad, weights=REJECTED_AT_HARMFUL)[0]
                pairs.append(_pair(asked, _refusal(drawn, subject), worse, KIND_DECLINE))
    return pairs


def _went_along(drawn: random.Random, asked: str) -> str:
    """An answer that does what a harmful request asks for, in the request's own words."""
    for opening, name, answers in _KINDS:
        if found := re.match(opening, asked, re.IGNORECASE):
            rest = re.split(r"[.?!,]", found["rest"])[0]
            return drawn.choice(answers).format(**{name: _yours(rest)})
    return drawn.choice(_OTHER).format(request=_yours(asked))


def _yours(text: str) -> str:
    """The text as the assistant repeats it: "my" becomes "your"."""
    words = {"my": "your", "myself": "yourself", "me": "you", "i": "you", "am": "are"}
    return " ".join(words.get(word.lower(), word) for word in text.split())


def _answers(tables: _Tables, drawn: random.Random, count: int) -> list[Pair]:
    """Pairs that prefer an answer to a harmless request, each request once."""
    pairs = []
    for asked, answer in drawn.sample(tables.harmless, min(count, len(tables.harmless))):
        another = drawn.choice([other for other in drawn.sample(tables.harmless, 2) if other[1] != answer])[1]
        refusal = _refusal(drawn, drawn.choice(tables.harmful))
        orders = ((answer, another), (answer, refusal), (answer, drawn.choice(EVASIONS)), (another, refusal))
        better, worse = drawn.choices(orders, weights=ORDERS)[0]
        pairs.append(_pair(asked, better, worse, KIND_ANSWER))
    return pairs


def _refusal(drawn: random.Random, subject: _Subject) -> str:
    declined = drawn.choice(_DECLINED)
    return f"{declined} {drawn.choice(subject.cares)}" if drawn.random() < CARED else declined


def _pair(asked: str, chosen: str, rejected: str, kind: str) -> Pair:
    return Pair(transcript([{"role": "user", "content": asked}]), chosen, rejected, kind=kind)


def _tables() -> _Tables:
    folder = Path(__file__).with_name("safety")
    return _Tables(
        harmful=tuple(
            _Subject(tuple(row["requests"]), tuple(row["cares"]))
            for row in read_jsonl(folder / "harmful.jsonl")
        ),
        harmless=tuple((row["request"], row["answer"]) for row in read_jsonl(folder / "harmless.jsonl")),
    )
