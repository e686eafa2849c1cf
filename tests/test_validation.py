"""Files of preferences: accepted shapes, refusals with line and reason, and counts of dropped rows."""

import gzip
import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import validation
from data.errors import UserError
from data.records import Pair
from data.validation import MAX_LINE_BYTES, parse_object, parse_pair, read_pairs

GOOD = {"prompt": "Human: hi", "chosen": "Hello.", "rejected": "Go away."}
PAIR = Pair("\n\nHuman: hi\n\nAssistant:", "Hello.", "Go away.")
REAL = Path(__file__).parent.parent.parent / "shared" / "data" / "hh"


def write(tmp_path, *lines, end=b"\n"):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(
        end.join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    )
    return path


def refused(path) -> str:
    with pytest.raises(UserError) as caught:
        read_pairs(path)
    return str(caught.value)


@pytest.mark.parametrize(
    "row",
    [
        GOOD,
        {**GOOD, "prompt": "\n\nHuman: hi\n\nAssistant:"},
        {**GOOD, "prompt": "hi", "score": 1.5, "note": None},
        {"chosen": "\n\nHuman: hi\n\nAssistant: Hello.", "rejected": "\n\nHuman: hi\n\nAssistant: Go away."},
        {
            "prompt": [{"role": "user", "content": "hi"}],
            "chosen": [{"role": "assistant", "content": "Hello."}],
            "rejected": [{"role": "assistant", "content": "Go away."}],
        },
        {
            "chosen": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}],
            "rejected": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Go away."}],
        },
        {
            "prompt": "hi",
            "chosen": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}],
            "rejected": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Go away."}],
        },
        {"prompt": [{"role": "user", "content": "hi"}], "chosen": "Hello.", "rejected": "Go away."},
    ],
)
def test_every_documented_shape_gives_the_same_pair(tmp_path, row):
    assert read_pairs(write(tmp_path, row)).pairs == [PAIR]


@pytest.mark.faults(31)
def test_bom_crlf_and_blank_lines_change_nothing(tmp_path):
    other = {**GOOD, "chosen": "Good day."}
    plain = read_pairs(write(tmp_path, GOOD, other)).pairs
    dressed = write(
        tmp_path, b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), b"", b"  ", other, b"", end=b"\r\n"
    )
    parsed = read_pairs(dressed)
    assert parsed.pairs == plain
    assert parsed.counts["blank"] == 2 and parsed.counts["lines"] == 2


LONE = b'{"prompt": "hi", "chosen": "\\ud83d", "rejected": "b"}'
BAD_LINES = {
    "truncated": (b'{"prompt": "hi", "chosen": "a', "not valid JSON"),
    "invalid UTF-8": (b'{"prompt": "\xff", "chosen": "a", "rejected": "b"}', "not valid UTF-8"),
    "nested deeply": (b"[" * 100_000, "nested too deeply"),
    "nested deeply inside": (b'{"prompt": ' + b'{"a":' * 100_000, "nested too deeply"),
    "NaN": (b'{"prompt": "hi", "chosen": "a", "rejected": "b", "score": NaN}', "NaN is not JSON"),
    "infinity": (
        b'{"prompt": "hi", "chosen": "a", "rejected": "b", "score": -Infinity}',
        "Infinity is not JSON",
    ),
    "huge number": (b'{"prompt": ' + b"9" * 5000 + b"}", "digits"),
    "list": (b"[1]", "must be a JSON object, not a list"),
    "text": (b'"x"', "must be a JSON object, not text"),
    "null": (b"null", "must be a JSON object, not null"),
    "two on a line": (b"{} {}", "not valid JSON"),
    "missing key": ({"prompt": "hi", "chosen": "a"}, "key 'rejected' is missing"),
    "number": ({**GOOD, "chosen": 3}, "'chosen' must be text or a list of messages, not a number"),
    "true": ({**GOOD, "chosen": True}, "not true"),
    "null prompt": ({**GOOD, "prompt": None}, "'prompt' must be text or a list of messages, not null"),
    "empty prompt": ({**GOOD, "prompt": " "}, "the prompt is empty"),
    "empty list": ({**GOOD, "prompt": []}, "'prompt' is an empty list"),
    "message without role": ({**GOOD, "prompt": [{"content": "x"}]}, "role None"),
    "message content": (
        {**GOOD, "prompt": [{"role": "user", "content": [1]}]},
        "must be an object with the texts",
    ),
    "prompt of an assistant": (
        {**GOOD, "prompt": [{"role": "assistant", "content": "x"}]},
        "must be the user's",
    ),
    "mixed": (
        {**GOOD, "chosen": [{"role": "assistant", "content": "x"}]},
        "both be text or both be message lists",
    ),
    "other conversation": (
        {
            "prompt": "hi",
            "chosen": [{"role": "user", "content": "ho"}, {"role": "assistant", "content": "x"}],
            "rejected": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "y"}],
        },
        "do not continue 'prompt'",
    ),
    "no shared turn": ({"chosen": "a", "rejected": "b"}, "share no"),
    "opens with an answer": ({**GOOD, "prompt": "Assistant: hi"}, "must open with a Human turn"),
    "NUL": ({**GOOD, "chosen": "a\0b"}, "'chosen' holds a NUL character"),
    "lone surrogate": (LONE, "'chosen' holds half a character"),
    "key twice": (b'{"prompt": "a", "prompt": "b", "chosen": "c", "rejected": "d"}', "given twice"),
    "over 1 MiB": ({**GOOD, "chosen": "x" * MAX_LINE_BYTES}, "longer than 1 MiB"),
}


@pytest.mark.faults(32, 33)
@pytest.mark.parametrize("line, reason", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_bad_line_refuses_the_file_with_its_number_and_reason(tmp_path, line, reason):
    path = write(tmp_path, GOOD, b"", line, GOOD)
    message = refused(path)
    assert message.startswith(f"{path}, line 3: ") and reason in message
    assert len(message) < 400 and "\n" not in message


@pytest.mark.faults(32, 36)
@pytest.mark.parametrize(
    "content, reason",
    [
        (gzip.compress(json.dumps(GOOD).encode(), mtime=0), "gzip"),
        (json.dumps(GOOD).encode("utf-16"), "UTF-16"),
        (b"", "holds no usable pair"),
        (b"\n\n", "holds no usable pair"),
        (json.dumps({**GOOD, "chosen": "x", "rejected": "x"}).encode(), "1 identical"),
    ],
)
def test_file_in_another_format_is_refused(tmp_path, content, reason):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(content)
    assert reason in refused(path)


@pytest.mark.parametrize("name", ["none.jsonl", ".", "a\0b.jsonl", "/dev/zero"])
def test_path_that_is_not_a_file_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="no such file"):
        read_pairs(tmp_path / name)


@pytest.mark.faults(36)
def test_endless_line_is_refused_in_bounded_memory(tmp_path):
    path = tmp_path / "pairs.jsonl"
    with open(path, "wb") as file:
        file.truncate(1 << 30)  # one line of a gigabyte, as a sparse file
    tracemalloc.start()
    message = refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "line 1: longer than 1 MiB" in message
    assert peak < 16 * MAX_LINE_BYTES


def test_line_of_exactly_1_mib_is_accepted(tmp_path):
    size = MAX_LINE_BYTES - len(json.dumps({**GOOD, "chosen": ""}))
    path = write(tmp_path, {**GOOD, "chosen": "x" * size}, b"", end=b"\r\n")
    assert path.stat().st_size == MAX_LINE_BYTES + 2
    assert len(read_pairs(path).pairs) == 1


@pytest.mark.faults(34)
def test_dates_and_numbers_in_text_stay_text(tmp_path):
    row = {"prompt": "2024-02-29", "chosen": "12", "rejected": "null"}
    (pair,) = read_pairs(write(tmp_path, row)).pairs
    assert pair == Pair("\n\nHuman: 2024-02-29\n\nAssistant:", "12", "null")


def test_emoji_and_right_to_left_text_round_trip(tmp_path):
    text = "👩‍👩‍👧 مرحبا\u202e שלום \u2028 e\u0301"
    (pair,) = read_pairs(write(tmp_path, {**GOOD, "chosen": text})).pairs
    assert pair.chosen == text


@pytest.mark.faults(35)
def test_duplicates_identical_and_empty_responses_are_counted(tmp_path):
    rows = [
        GOOD,
        {**GOOD, "chosen": " Hello. "},
        {**GOOD, "prompt": "hi"},
        {**GOOD, "rejected": "Hello."},
        {**GOOD, "rejected": ""},
        {**GOOD, "chosen": "Go away.", "rejected": "Hello."},
    ]
    parsed = read_pairs(write(tmp_path, *rows))
    assert parsed.counts == {
        "lines": 6,
        "blank": 0,
        "accepted": 2,
        "duplicates": 2,
        "identical": 1,
        "empty": 1,
    }
    assert parsed.pairs == [PAIR, Pair(PAIR.prompt, PAIR.rejected, PAIR.chosen)]


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
MARKED = st.lists(TEXT | st.sampled_from(["\n\nHuman:", "\n\nAssistant:", "Assistant:", "Human:", " "])).map(
    "".join
)
PAIRS = st.builds(
    lambda prompt, chosen, rejected: parse_pair({"prompt": prompt, "chosen": chosen, "rejected": rejected}),
    MARKED.map("Human: x {}".format),
    MARKED,
    MARKED,
)


@settings(deadline=None)
@given(PAIRS)
def test_parsing_what_was_written_gives_it_back(pair):
    assert parse_pair(parse_object(json.dumps(pair.row()).encode())) == pair


@pytest.mark.parametrize(
    "given, kept", [(2, 2), (0.5, 0.5), (0, None), (-1, None), (True, None), ("2", None)]
)
def test_a_margin_is_kept_where_it_is_a_positive_number(given, kept):
    assert parse_pair({"prompt": "x", "chosen": "a", "rejected": "b", "margin": given}).margin == kept


CHANGES = [{}, {"prompt": "x"}, {"chosen": ""}, {"rejected": "Hello."}]


@settings(deadline=None)
@given(st.lists(st.sampled_from([GOOD | change for change in CHANGES])))
def test_accepted_and_dropped_are_all_the_lines(tmp_path_factory, rows):
    path = write(tmp_path_factory.mktemp("lines"), *[GOOD, *rows])
    counts = read_pairs(path).counts
    dropped = counts["duplicates"] + counts["identical"] + counts["empty"]
    assert counts["accepted"] + dropped == counts["lines"] == 1 + len(rows)


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_at_all_crash_the_parser(line):
    try:
        parse_pair(parse_object(line))
    except ValueError as error:
        assert str(error)


def hh_raw() -> list[dict]:
    """Rows as irregular as the real set's: several turns, joined questions, empty and equal answers."""
    head = (
        "\n\nHuman: What is a yew?\n\nAssistant: A tree.  Human: Old?\n\nHuman: How old is one?\n\nAssistant:"
    )
    return [
        {"chosen": head + " Often a thousand years.", "rejected": head + " Old, I think.\n\nHuman: Oh"},
        {"chosen": head, "rejected": head + " I don't know."},
        {"chosen": head + " Very old.", "rejected": head + " Very old. "},
    ]


def test_raw_hh_transcripts_with_their_irregularities(tmp_path):
    parsed = read_pairs(write(tmp_path, *hh_raw()))
    assert parsed.counts["accepted"] == parsed.counts["empty"] == parsed.counts["identical"] == 1
    assert parsed.pairs[0].prompt.endswith("How old is one?\n\nAssistant:")
    assert parsed.pairs[0].chosen == "Often a thousand years."


@pytest.mark.parametrize("name", ["harmless_base_raw.jsonl", "helpful_prompt_chosen_rejected.jsonl"])
def test_real_hh_rows_parse_where_they_are_available(tmp_path, name):
    """Uses real rows of HH where they lie next to the checkout, and the rows above elsewhere."""
    path = REAL / name if (REAL / name).is_file() else write(tmp_path, *hh_raw())
    parsed = read_pairs(path)
    counts = parsed.counts
    dropped = counts["duplicates"] + counts["identical"] + counts["empty"]
    assert counts["accepted"] + dropped == counts["lines"]
    assert dropped <= max(2, 0.01 * counts["lines"])
    for pair in parsed.pairs:
        assert pair.prompt.startswith("\n\nHuman:") and pair.prompt.endswith("\n\nAssistant:")
        assert pair.chosen == pair.chosen.strip() != pair.rejected


class Counted(str):
    """A key that counts how often it is compared."""

    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        Counted.compared += 1
        return str.__eq__(self, other)


@pytest.mark.faults
def test_a_duplicate_key_is_found_in_linear_time():
    """1 MB with 90,000 keys, the last one twice, once took 70 seconds: every pair of keys was compared."""
    count = 5000
    items = [(Counted(f"key {n}"), n) for n in [*range(count), count - 1]]
    with pytest.raises(ValueError, match=f"key 'key {count - 1}' is given twice"):
        validation._unique_keys(items)
    assert Counted.compared < 10 * count


def test_a_line_of_many_messages_is_read_completely():
    turns = [{"role": role, "content": "a"} for _ in range(9000) for role in ("system", "user")]
    end = [{"role": "assistant", "content": "b"}]
    pair = validation.parse_pair({"prompt": turns, "chosen": end, "rejected": end})
    assert pair.prompt.count("Human: a\n\na") == 9000
