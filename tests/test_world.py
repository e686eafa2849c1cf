"""The tiny world's generator: the number of possible prompts, parsing them back, properties of the splits."""

import itertools
import math
import random
import re

import pytest

from data.records import messages, transcript
from data.world import (
    answers,
    dialogues,
    entities,
    example_prompts,
    generate,
    generate_splits,
    gold,
    names,
    safety_prompts,
)
from data.world.gold import assess
from data.world.kinds import by_name, kinds
from data.world.parse import CLOSERS, FOLLOW_UPS, OPENERS, find, parse
from data.world.request import Request
from data.world.splits import asks_held_out, question_key

KINDS = [kind for kind in kinds() if kind.name != "unknown"]


# "Is a dog an animal?" can be divided into its two slots in several ways; the generator draws no such prompt.
AMBIGUOUS = "Is {x} {ac}?"


def human(text):
    return transcript([{"role": "user", "content": text}])


@pytest.fixture(scope="module")
def splits():
    return generate_splits(42, 1500, 200, 400)


@pytest.fixture(scope="module")
def spoken():
    """3,000 dialogues of the pretraining text, as a list."""
    return list(itertools.islice(dialogues(9), 3000))


def test_there_are_at_least_forty_kinds_with_distinct_names():
    assert len(by_name()) == len(kinds()) >= 40


def test_fifty_thousand_prompts_can_be_asked_without_inventing_a_name():
    """Counts every wording of every subject: plain, without its punctuation, with a greeting or thanks."""
    asked = set()
    for kind in KINDS:
        for item in kind.items:
            for wording in set(kind.questions) - {AMBIGUOUS}:
                question = wording.format(**item)
                wrapped = (f"{opener} {question}" for opener in OPENERS)
                closed = (f"{question} {closer}" for closer in CLOSERS)
                asked.update((question, question.rstrip(".?!"), *wrapped, *closed))
    assert len(asked) >= 50_000
    sample = random.Random(1).sample(sorted(asked), 300)
    read = [parse(human(question)) for question in sample]
    assert sum(r is not None and r.kind.name != "unknown" for r in read) >= 297


def test_drawn_prompts_are_rarely_repeated(spoken):
    assert len({prompt for prompt, _ in spoken}) > 0.85 * len(spoken)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_question_is_parsed_back_to_its_request(kind):
    rng = random.Random(4)
    items = kind.items if len(kind.items) <= 12 else rng.sample(kind.items, 12)
    for item in items:
        for wording in set(kind.questions) - {AMBIGUOUS}:
            for question in (wording.format(**item), wording.format(**item).lower().rstrip(".?!")):
                request = find(question)
                assert request is not None, question
                assert request.expected == kind.expect(item), question


def test_invented_names_are_parsed_as_unknown():
    rng = random.Random(8)
    for wording in by_name()["unknown"].questions:
        name = names.invented(rng)
        request = find(wording.format(x=name))
        assert request.kind.name == "unknown" and request.item["x"] == name


def test_typing_variants_are_parsed_alike():
    plain = find("What is the capital of Peru?").expected
    for typed in (
        "what's the capital of peru",
        "What’s the capital of  Peru??",
        "Please tell me: which city is the capital of Peru",
        "Hello! What is the capital of Peru? Thanks.",
        "WHAT IS THE CAPITAL OF PERU",
    ):
        assert find(typed).expected == plain, typed
    assert (
        find("What is 3 + 4?").expected
        == find("what is 3+4").expected
        == find("What is three plus four?").expected
    )


@pytest.mark.parametrize(
    "text",
    ["", "asdf", "How do I kill my neighbour?", "What is the name of a dog in France?", "What is 30 + 40?",
     "What is a dog?", "Tell me about " + "very " * 200 + "long things", "\n\nAssistant:",
     "Write a thank-you note for me for me for me " * 50],
)  # fmt: skip
def test_text_outside_the_world_is_not_parsed(text):
    assert find(text) is None
    assert gold(human(text), "I don't know.") is None


def test_follow_up_questions_take_their_kind_from_the_previous_turn():
    # parsed as "And {x}?" and therefore never drawn
    for wording in set(FOLLOW_UPS) - {"And what about {x}?"}:
        turns = ["What does a cow eat?", "A cow eats grass.", wording.format(x="a panda")]
        prompt = transcript(
            [{"role": ("user", "assistant")[k % 2], "content": t} for k, t in enumerate(turns)]
        )
        assert parse(prompt).expected == find("What does a panda eat?").expected
    assert find("What about a panda?") is None


def unknown_subject(prompt):
    """The unknown name or topic of a prompt, with the article that its topic has; None for other prompts."""
    request = parse(prompt)
    if request is None or request.kind.name != "unknown":
        return None
    name = request.item["x"]
    return f"the {name}" if f"the {name}" in entities.TOPICS else name


def test_dialogues_are_partly_of_several_turns_and_some_follow_up(spoken):
    turns = [messages(prompt) for prompt, _ in spoken]
    assert 0.15 < sum(len(t) > 1 for t in turns) / len(turns) < 0.4
    assert any(len(t) >= 5 for t in turns)
    last = [t[-1]["content"].lower() for t in turns]
    assert sum(text.startswith(("what about", "and ", "how about")) for text in last) > 20


def test_dialogues_are_canonical_and_mostly_inside_the_world(spoken):
    assert all(
        p.startswith("\n\nHuman: ") and p.endswith("\n\nAssistant:") and r == r.strip() and r
        for p, r in spoken
    )
    assert sum(parse(p) is not None for p, _ in spoken) > 0.95 * len(spoken)


def test_the_same_seed_gives_the_same_text_and_another_seed_another():
    first, again, other = (list(itertools.islice(dialogues(seed), 100)) for seed in (5, 5, 6))
    assert first == again != other
    assert generate_splits(7, 40, 5, 5) == generate_splits(7, 40, 5, 5) != generate_splits(8, 40, 5, 5)
    assert safety_prompts(20, 1) == safety_prompts(20, 1) != safety_prompts(20, 2)


def test_right_answers_are_judged_right_and_wrong_ones_wrong():
    rng = random.Random(6)
    for kind in KINDS:
        for item in kind.items if len(kind.items) <= 40 else rng.sample(kind.items, 40):
            request = Request(kind, item)
            right = assess(request, kind.right(item, rng))
            assert min(right.helpful, right.honest, right.harmless) == 1 and right.well_put >= 0.8, (
                kind.name,
                item,
            )
            assert assess(request, kind.wrong(item, rng)).total <= 0.4, (kind.name, item)


def test_every_fact_is_drawn_for_pretraining_requests():
    """`dialogues` draws its requests with this function; pretraining text repeats each fact often."""
    rng = random.Random(2)
    left = {(kind.name, item["x"]) for kind in kinds() if kind.group == "fact" for item in kind.items}
    for _ in range(150_000):
        request = generate.draw_request(rng)
        left.discard((request.kind.name, request.item.get("x")))
    assert not left
    mixture = answers.MIXTURES["pretrain"]["answer"]
    right = sum(mixture[mode] for mode in ("clean", "plain", "rude", "padded"))
    assert right / sum(mixture.values()) > 0.7


@pytest.mark.slow
def test_every_fact_occurs_in_pretraining_text():
    left = {(kind.name, item["x"]) for kind in kinds() if kind.group == "fact" for item in kind.items}
    for prompt, response in itertools.islice(dialogues(1), 150_000):
        request = parse(prompt)
        if request and assess(request, response).helpful == 1:
            left.discard((request.kind.name, request.item.get("x")))
    assert not left


def test_splits_have_their_sizes_and_share_no_prompt(splits):
    assert [len(splits[s]) for s in ("train", "validation", "test")] == [1500, 200, 400]
    prompts = [row["prompt"].lower() for rows in splits.values() for row in rows]
    assert len(set(prompts)) == len(prompts)


def test_rows_are_pairs_of_two_different_answers_with_their_kind(splits):
    for row in itertools.chain(*splits.values()):
        assert set(row) == {"prompt", "chosen", "rejected", "kind"}
        assert row["chosen"] != row["rejected"]
        assert parse(row["prompt"]).kind.name == row["kind"]
    assert len({row["kind"] for row in splits["train"]}) >= 60


def test_reserved_names_occur_in_the_test_split_only(splits):
    reserved = {
        split: [names.is_reserved(unknown_subject(row["prompt"])) for row in rows if row["kind"] == "unknown"]
        for split, rows in splits.items()
    }
    assert len(reserved["test"]) > 30 and all(reserved["test"])
    assert len(reserved["train"]) > 150 and not any(reserved["train"] + reserved["validation"])


def test_reserved_names_do_not_occur_in_pretraining(spoken):
    asked = [name for prompt, _ in spoken if (name := unknown_subject(prompt))]
    assert len(asked) > 300 and not any(names.is_reserved(x) for x in asked)


def test_labels_are_noisy_and_the_best_reachable_accuracy_is_known(splits):
    """A label follows gold with odds exp(lead / NOISE), so the accuracy of gold must match these odds."""
    leads = []
    for row in itertools.chain(*splits.values()):
        request = parse(row["prompt"])
        leads.append(assess(request, row["chosen"]).total - assess(request, row["rejected"]).total)
    bayes = sum(1 / (1 + math.exp(-abs(lead) / generate.NOISE)) for lead in leads) / len(leads)
    agree = sum(lead > 0 for lead in leads) / len(leads)
    assert 0.8 <= bayes <= 0.95
    assert abs(agree - bayes) < 4 * math.sqrt(bayes * (1 - bayes) / len(leads))


def test_pairs_hold_every_failure_often_enough_to_be_learnt(splits):
    """A reward model trained without rejected over-refusals would teach a policy to refuse everything."""
    answers_due = [row for row in splits["train"] if parse(row["prompt"]).expected.form == "answer"]
    refused = [
        row for row in answers_due for side in ("chosen", "rejected") if re.search("help with th", row[side])
    ]
    assert len(refused) > 0.08 * len(answers_due)
    rejected = sum("help with th" in row["rejected"] for row in refused)
    assert rejected > 0.75 * len(refused)


def test_no_question_is_in_two_splits_whatever_its_case_marks_and_greeting(splits):
    keys = {split: {question_key(row["prompt"]) for row in rows} for split, rows in splits.items()}
    assert not keys["train"] & keys["test"] and not keys["train"] & keys["validation"]
    assert not keys["validation"] & keys["test"]
    same = (
        "What is the capital of Peru?",
        "what is the capital of peru",
        "Hello! What is the capital of Peru? Thanks.",
    )
    assert len({question_key(human(text)) for text in same}) == 1


def test_a_follow_up_question_counts_with_the_kind_of_the_question_before_it():
    def after(question):
        turns = [("user", question), ("assistant", "It is so."), ("user", "And Peru?")]
        return question_key(transcript([{"role": role, "content": text} for role, text in turns]))

    assert after("What is the capital of Cuba?") == after("Name the capital of Spain.")
    assert after("What is the capital of Cuba?") != after("On which continent is Cuba?")


def test_a_quarter_of_the_test_prompts_is_about_subjects_that_no_training_pair_has(splits):
    held_out = {split: [asks_held_out(row["prompt"]) for row in rows] for split, rows in splits.items()}
    assert not any(held_out["train"] + held_out["validation"])
    assert 0.2 < sum(held_out["test"]) / len(held_out["test"]) < 0.3


def test_chosen_answers_are_better_than_rejected_ones_on_average(splits):
    def mean(side):
        return sum(gold(row["prompt"], row[side]).total for row in splits["train"]) / len(splits["train"])

    assert mean("chosen") > mean("rejected") + 0.25


def test_safety_prompts_are_different_requests_for_harms_that_training_never_asks(splits, spoken):
    prompts = safety_prompts(60, 3)
    assert len(set(prompts)) == 60
    asked = [parse(prompt) for prompt in prompts]
    assert all(request.kind.held_out and request.expected.form == "harmful" for request in asked)
    taught = {parse(row["prompt"]).kind.name for split in ("train", "validation") for row in splits[split]}
    taught |= {request.kind.name for prompt, _ in spoken if (request := parse(prompt))}
    assert not taught & {request.kind.name for request in asked}


def test_example_prompts_are_inside_the_world():
    assert all(parse(human(text)) is not None for text in example_prompts())
