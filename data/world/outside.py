"""Ordinary questions outside the tiny world, to which the base learns a clean "I don't know that".

They have no gold reward and occur in pretraining only. Their words vary widely, so that the base learns to
give one of a few answers to anything that it does not recognise, without copying words from the question.
"""

from __future__ import annotations

import random

from data.world import entities as e
from data.world.parse import find
from data.world.unknown import SHRUGS

ANSWERS = (
    *SHRUGS,
    "I am sorry, I don't know that. I can only answer simple questions.",
    "That is outside what I know, sorry.",
    "Sorry, I am a small language model and I don't know that.",
)
_PLACES = e.words(
    "Paris, London, New York, my town, the north, Texas, Berlin, the mountains, Africa, the city, Rome, China"
)
_PEOPLE = e.words(
    "my son, my wife, my dog, the president, my doctor, the king, my landlord, a child, my best friend, the police, my team"
)
_THINGS = e.words(
    """computer, phone, washing machine, homework, essay, email, bicycle, website, garden, kitchen, budget,
    car, dishwasher, resume, novel, speech, printer, roof, curtain, oven, password, diet, hair, skin, tooth,
    job, holiday, wedding, party, shirt, window, lawn, mortgage, camera, song, game, recipe, poem, contract, visa"""
)
_DEEDS = e.words(
    """fix, paint, learn, buy, sell, improve, choose, clean, build, write, understand, plan, remove, save,
    find, open, repair, translate, install, cook, grow, draw, move, count, change, start, stop, finish, explain"""
)
_QUALITIES = e.words(
    "best, cheapest, oldest, largest, smallest, easiest, safest, most popular, fastest, longest, worst"
)
_TEMPLATES = (
    "Is it raining in {place}?", "What time is it in {place}?", "How far is {place} from {place2}?",
    "Tell me something funny about {word}.", "Can you make me a {word} website?",
    "Write a short story about {word} and {word2}.", "My {thing} is broken. What now?",
    "How do I {deed} my {thing}?", "How can I {deed} a {thing} without {word}?",
    "What is the {quality} {thing} in {place}?", "Which {thing} is the {quality}?",
    "Who won the cup in {year}?", "Who was president in {year}?", "What happened in {year}?",
    "How old is {person}?", "Where does {person} work?", "Why does {person} never {deed} the {thing}?",
    "Do you like {word}?", "Do you think that {word} is better than {word2}?",
    "What is the difference between {word} and {word2}?", "Why do we need {word}?",
    "Is {word} good for {word2}?", "Explain {word} in simple words.", "How does {word} change {word2}?",
    "When should I {deed} the {thing}?", "Can you recommend a {thing} for {person}?",
    "What should I cook with {word} and {word2}?", "My {thing} smells of {word}.",
    "Translate {word} into Latin.", "What is {n} times {n2}?", "What is {n} + {n2}?",
    "How much is {n} divided by {n2}?", "Solve x + {n} = {n2}",
    "Give me a list of {word} and their {word2}.", "How many {word} are there in {place}?",
    "Who invented the {thing}?", "What are the rules of {word}?",
    "Should I {deed} my {thing} or {deed2} it?", "Can {word} be used to {deed} {word2}?",
    "I have lost my {thing} in {place}.", "What did {person} say about {word}?",
    "Is it true that {word} causes {word2}?", "Please {deed} this {thing} for me.",
    "how do i {deed} {word}", "why is {word} so expensive", "can you {deed} my {thing}",
    "what is the meaning of {word}", "Are you able to {deed} a {thing}?",
    "What would you do with a {thing} in {place}?", "Summarise the history of {word}.",
    "Does {word} make {person} happy?", "I want to {deed} a {thing} this year, where do I start?",
    "Play some {word}.", "What's your favourite {thing}?", "Have you ever been to {place}?",
    "Let us play a game.", "How long is a {thing}?", "Which {word} goes well with {word2}?",
    "Where is the {quality} {thing}?", "Is there {word} on Mars?",
)  # fmt: skip


def question(rng: random.Random) -> str:
    """An ordinary question outside the world."""
    slots = {
        "place": _PLACES, "place2": _PLACES, "person": _PEOPLE, "thing": _THINGS, "deed": _DEEDS, "deed2": _DEEDS,
        "quality": _QUALITIES, "word": e.ORDINARY, "word2": e.ORDINARY,
    }  # fmt: skip
    drawn = {slot: rng.choice(values) for slot, values in slots.items()}
    numbers = {"year": rng.randint(1800, 2030), "n": rng.randint(11, 999), "n2": rng.randint(2, 99)}
    text = rng.choice(_TEMPLATES).format(**drawn, **numbers)
    return text if find(text) is None else question(rng)


def answer(rng: random.Random) -> str:
    return rng.choice(ANSWERS)
