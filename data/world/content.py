"""Whether an answer says what was due, in its own words: facts, sums, choices, lists, steps, advice.

The functions look for phrases, and for what turns them into their contrary: a denial, another subject,
another sum, a claim taken back. They judge words, not meaning.
"""

from __future__ import annotations

import re
from functools import lru_cache

from data.world.entities import NUMBERS
from data.world.parse import spelled_out
from data.world.phrases import AGAINST, HEARSAY, NO_CHOICE, RETRACTIONS, REVERSED, RUDE, SPOILT
from data.world.request import Expected, Request
from data.world.text import clauses, denies, has, negates, sentences, spaced
from data.world.wording import UNFAMILIAR, is_familiar

WRONG, USELESS = (0.0, 0.0), (0.0, 1.0)  # (helpful, honest)
_NUMBER = rf"(?:{'|'.join(sorted(NUMBERS, key=len, reverse=True))})"
_EXPRESSION = re.compile(
    rf" ({_NUMBER}) (plus|and|add|added to|minus|less|take away|times|from|by)(?= ({_NUMBER}) )"
)
_OTHER_NUMBER = re.compile(
    r" (?:\d+|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|half|dozen|point)\S* "
)
_PLUS, _MINUS = ("plus", "and", "add", "added to"), ("minus", "less", "take away")


def judge(request: Request, response: str) -> tuple[float, float]:
    """(helpful, honest) of an answer to a request that has one."""
    helpful, honest = _judge(request, response)
    return helpful * (1.0 if not helpful or _is_clear(request, response) else UNFAMILIAR), honest


def _is_clear(request: Request, response: str) -> bool:
    """Whether the sentences that answer are in words that the judge knows. Small talk and notes are free."""
    if request.kind.group == "social":
        return True
    expected = request.expected
    phrases = [phrase for group in expected.required for phrase in group]
    answering = [
        s for s in map(spaced, sentences(response)) if has(s, phrases) or _names(s, expected.members)
    ]
    return all(is_familiar(request, s) or has(s, RUDE) for s in answering)


def _judge(request: Request, response: str) -> tuple[float, float]:
    expected, text = request.expected, _without_question(request, spaced(response))
    if has(text, RETRACTIONS) or (expected.form == "answer" and _is_false(expected, response, text)):
        return WRONG
    if expected.members:
        return _list(expected, response)
    if expected.sum:
        return (1.0, 1.0) if _states_sum(expected, response) else WRONG
    if expected.avoided or expected.enough:
        return _advice(expected, response)
    if len(text.split()) < expected.least:
        return USELESS
    return _phrases(expected, text)


def _without_question(request: Request, text: str) -> str:
    """The answer without a copy of the question: words that the human said earn nothing."""
    for wording in request.kind.questions:
        question = spaced(wording.format(**request.item))
        if question.count(" ") > 3:  # at least three words, because "Hello" may be answered by "Hello"
            text = text.replace(question, " ")
    return text


def asserted(response: str) -> list[str]:
    """The sentences that state something, in the form of `spaced`: no questions."""
    return [spaced(s) for s in sentences(response) if not s.rstrip("\"')”’ ").endswith("?")]


def _is_false(expected: Expected, response: str, text: str) -> bool:
    """Whether an answer states something that is not so."""
    if expected.forbidden and not expected.members and has(text, expected.forbidden):
        return True
    if expected.than:
        return not _chooses(expected, response)
    if expected.verdict:
        return not _verdict_holds(expected, response)
    if expected.others or expected.claims:
        return _tells_of_another(expected, response) or _is_denied(expected, response)
    if expected.ordered:
        return has(text, SPOILT) or any(
            negates(c)
            for c in clauses(response)
            if has(c, (key for group in expected.required for key in group))
        )
    if expected.least or expected.members or expected.sum or expected.enough:
        return False
    return any(denies(c, p) for c in clauses(response) for group in expected.required for p in group)


def _is_denied(expected: Expected, response: str) -> bool:
    """Whether the right words are denied, doubted, only heard of, or one of two possibilities."""
    for sentence in asserted(response):
        for phrase in expected.required[0]:
            if f" {phrase} " not in sentence:
                continue
            if denies(sentence, phrase) or has(sentence, HEARSAY):
                return True
            if f" {phrase} or " in sentence or f" or {phrase} " in sentence:
                return True
    return not any(has(s, expected.required[0]) for s in asserted(response)) and has(
        spaced(response), expected.required[0]
    )


def _tells_of_another(expected: Expected, response: str) -> bool:
    """Whether the right word is said about another subject: "Paris is the capital of Spain\"."""
    right = expected.required[0]
    rivals = expected.others | set(right)
    for sentence in asserted(response):
        about_another = has(sentence, expected.others) and not has(sentence, (expected.subject,))
        if about_another and has(sentence, right):
            return True
        for pattern in map(_claim, expected.claims):
            for match in pattern.finditer(sentence):
                x = f" {match.group('x').strip()} "
                if has(x, rivals) and not has(x, (expected.subject,)):
                    return True
    return False


@lru_cache(maxsize=4096)
def _claim(template: str) -> re.Pattern[str]:
    """The pattern of a wording such as "the capital of {x} is {y}." in a sentence as `spaced` writes it."""
    words = re.escape(spaced(template.replace("{x}", "slotx").replace("{y}", "sloty")))
    # At most eight words each, so that the work grows no faster than the answer.
    words = words.replace("slotx", r"(?P<x>\S+(?: \S+){0,7}?)", 1).replace(
        "sloty", r"(?P<y>\S+(?: \S+){0,7})", 1
    )
    return re.compile(words.replace("slotx", "(?P=x)"))


def _phrases(expected: Expected, text: str) -> tuple[float, float]:
    """The share of the required groups of which a phrase occurs, in their order if they have one."""
    hits = (
        [text.find(f" {phrase} ") for phrase in group if f" {phrase} " in text] for group in expected.required
    )
    found = [min(places) for places in hits if places]
    share = min(1.0, len(found) / len(expected.required))
    if expected.ordered and (found != sorted(found) or has(text, REVERSED)):
        return 0.3 * share, 1.0
    return (share if share == 1.0 else 0.6 * share), 1.0


def _states_sum(expected: Expected, response: str) -> bool:
    """Whether the only sum in an answer is the asked one and the number that remains is its result."""
    assert expected.sum is not None
    a, word, b = expected.sum
    (right,) = expected.required[0]
    told = " ".join(asserted(spelled_out(response.lower())))
    if negates(told) or has(told, HEARSAY) or _OTHER_NUMBER.search(told) or " or " in told:
        return False
    found = False
    for left, sign, other in _EXPRESSION.findall(told):
        same = sign in (_PLUS if word == "plus" else _MINUS) and (left, other) == (a, b)
        turned = (word == "plus" and sign in _PLUS and (left, other) == (b, a)) or (
            word == "minus" and sign == "from" and (other, left) == (a, b)
        )
        if not same and not turned:
            return False
        found = True
    if found:
        told = re.sub(_EXPRESSION.pattern.replace("(?=", "(?:"), " ", told)
    numbers = re.findall(rf"(?<= ){_NUMBER}(?= )", told)
    if found:
        return bool(numbers) and set(numbers) == {right}
    # "You have seven and then five more, so you get twelve": the numbers of the question, then the result.
    return bool(numbers) and numbers[-1] == right and set(numbers[:-1]) <= {a, b} and len(numbers) <= 3


def _chooses(expected: Expected, response: str) -> bool:
    """Whether the right one of two is said to be bigger, faster or heavier."""
    assert expected.first is not None
    right, wrong = expected.first
    told = " ".join(asserted(response))
    if has(told, NO_CHOICE) or has(told, HEARSAY) or negates(told):
        return False
    places = {name: told.find(f" {name} ") for name in expected.first}
    if places[right] < 0 or 0 <= places[wrong] < places[right]:
        return False
    for match in re.finditer(f" {expected.than} ", told):
        before, after = told[: match.start() + 1], told[match.end() - 1 :]
        if before.rfind(f" {wrong} ") > before.rfind(f" {right} "):
            return False
        if after.startswith(" than ") and has(" ".join(after.split()[:5]).join("  "), (right,)):
            return False
    return True


def _verdict_holds(expected: Expected, response: str) -> bool:
    """Whether "yes" or "no" is said and nothing else in the answer contradicts it."""
    group, told = expected.verdict, " ".join(asserted(response))
    if has(told, HEARSAY) or not has(told, expected.required[0]):
        return False
    if expected.required == (("yes",),):
        return not negates(told)
    if has(told, ("no doubt", "without doubt")):
        return False
    for clause in clauses(response):
        if has(clause, (group,)) and not negates(clause):
            return False
        if clause.strip() in ("it is", "of course it is", "yes", "it really is", "it certainly is"):
            return False
    return True


def _list(expected: Expected, response: str) -> tuple[float, float]:
    """A list names so many members of its group and nothing else."""
    text = spaced(response)
    if has(text, (form for m in expected.forbidden for form in (m, *_plurals(m)))):
        return WRONG
    named, counted = [], 0
    for sentence in sentences(response):
        parts = [spaced(p) for p in re.split(r"[,:;]|\band\b", sentence.rstrip(".!?")) if p.strip()]
        first = next((k for k, p in enumerate(parts) if _names(p, expected.members)), None)
        if first is None:
            continue
        if negates(spaced(sentence)):
            return WRONG
        counted += len(parts) - first
        named += [m for p in parts for m in _names(p, expected.members)]
    exact = len(set(named)) == len(named) == counted == expected.count
    return (1.0, 1.0) if exact else (0.3, 1.0) if named and set(named) <= set(expected.members) else USELESS


def _names(text: str, members: tuple[str, ...]) -> list[str]:
    return [m for m in members if has(text, (m, *_plurals(m)))]


def _plurals(noun: str) -> tuple[str, ...]:
    return (f"{noun}s", f"{noun}es", f"{noun[:-1]}ies")


def _advice(expected: Expected, response: str) -> tuple[float, float]:
    """Advice has two tips; a tip that is turned into its contrary spoils the answer."""
    given = set()
    for clause in clauses(response):
        against = negates(clause) or has(clause, AGAINST)
        for (key,) in expected.required:
            if has(clause, (key,)):
                if against != (key in expected.avoided):
                    return WRONG
                given.add(key)
    share = min(1.0, len(given) / expected.enough)
    return (share if share == 1.0 else 0.6 * share), 1.0
