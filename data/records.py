"""The preference pair and the transcript format of HH (Bai et al. 2022, arXiv:2204.05862).

A prompt is a transcript that ends where the answer begins::

    \\n\\nHuman: hi\\n\\nAssistant: hello\\n\\nHuman: bye\\n\\nAssistant:

It starts with a blank line and "Human:", and ends with "Assistant:" without a space. Responses are plain,
stripped text. This module converts message lists to transcripts and back, and splits complete transcripts
into prompt and responses. It does not handle tokens, chat templates or files.
"""

import os.path
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

HUMAN = "\n\nHuman:"
ASSISTANT = "\n\nAssistant:"
_TURN = re.compile(r"\n\n(Human|Assistant):")
_FORGED = re.compile(r"\n\n(?=(?:Human|Assistant):)")
_ROLES = {"user": HUMAN, "assistant": ASSISTANT}
_NAMES = {"Human": "user", "Assistant": "assistant"}


@dataclass(frozen=True)
class Pair:
    """One preference: a canonical prompt and two responses.

    ``kind`` is the tiny world's kind of request. ``margin`` says by how many places people put the responses
    apart; two pairs that differ in it alone are the same pair.
    """

    prompt: str
    chosen: str
    rejected: str
    kind: str | None = None
    margin: float | None = field(default=None, compare=False)

    def row(self) -> dict[str, Any]:
        """The pair as a row of a data set's file; ``kind`` and ``margin`` are left out if there are none."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def transcript(messages: Sequence[Mapping[str, Any]], *, open: bool = True) -> str:
    """The transcript of ``[{"role": "user"|"assistant"|"system", "content": str}, ...]``.

    With ``open`` it ends with "Assistant:", ready for an answer. HH has no system role: a system message is
    put before the text of the next user turn. A role marker inside a content is indented by a space, so that
    no text can forge a turn. Raises ValueError for an unknown role or a content that is not text.
    """
    text: list[str] = []  # pieces, so that a line of many messages takes linear time
    system: list[str] = []
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if not isinstance(content, str):
            raise ValueError("the content of a message must be text")
        if role == "system":
            system.append(content.strip())
            continue
        if role not in _ROLES:
            raise ValueError(f"role {role!r} of a message is none of user, assistant, system")
        if role == "user" and any(system):
            content, system = "\n\n".join([*filter(None, system), content.strip()]), []
        text.append(f"{_ROLES[role]} {neutral(content)}".rstrip())
    return "".join([*text, ASSISTANT] if open else text)


def neutral(content: str) -> str:
    """``content`` stripped, with Unix line ends, and with role markers that no longer start a turn."""
    return _FORGED.sub("\n\n ", content.replace("\r\n", "\n").replace("\r", "\n").strip())


def messages(prompt: str) -> list[dict[str, str]]:
    """The turns of a transcript as messages; the open "Assistant:" at the end of a prompt is not a message.

    Text without any marker is one user message. Text before the first marker is put before that turn's text.
    Consecutive turns of one role, as in some rows of HH, are merged: chat templates expect roles to
    alternate.
    """
    parts = _TURN.split(prompt)
    if len(parts) == 1:
        return [{"role": "user", "content": prompt.strip()}]
    if prompt.endswith(ASSISTANT):
        parts = parts[:-2]
    turns: list[tuple[str, list[str]]] = []
    for name, content in zip(parts[1::2], parts[2::2], strict=True):
        if turns and turns[-1][0] == _NAMES[name]:
            turns[-1][1].append(content.strip())
        else:
            turns.append((_NAMES[name], [content.strip()]))
    if turns and parts[0].strip():
        turns[0][1].insert(0, parts[0].strip())
    return [{"role": role, "content": "\n\n".join(contents)} for role, contents in turns]


def canonical_prompt(text: str) -> str:
    """The canonical form of a prompt in any of the accepted forms.

    "Human: hi" and plain "hi" both become "\\n\\nHuman: hi\\n\\nAssistant:". Some prompts of HH end with an
    assistant turn (the next question is part of it); they get an open "Assistant:" like all others. Raises
    ValueError if there is no text.
    """
    text = _unix(text).strip()
    if text.startswith(("Human:", "Assistant:")):
        text = "\n\n" + text
    if not text:
        raise ValueError("the prompt is empty")
    if not _TURN.match(text):
        # Plain text, or a preface before the first turn, belongs to the human.
        text = f"{HUMAN} {text}"
    if text.endswith(ASSISTANT):
        return text
    return text + ASSISTANT


def canonical_response(text: str, prompt: str) -> str:
    """The canonical form of a response: stripped, without a repeated prompt or marker in front."""
    text, start = _unix(text).strip(), 0
    fronts = (prompt.strip(), ASSISTANT.strip())
    while front := next((front for front in fronts if text.startswith(front, start)), ""):
        start += len(front)
        while text[start : start + 1].isspace():
            start += 1
    return text[start:]


def split_transcripts(chosen_transcript: str, rejected_transcript: str) -> Pair:
    """Split two complete transcripts at the start of their last common Assistant turn.

    The prompt is the text up to and including the marker of that turn.

    Raises ValueError if they share no Assistant turn or do not start with a Human turn.
    """
    texts = [_whole(chosen_transcript), _whole(rejected_transcript)]
    shared = os.path.commonprefix(texts)
    cut = shared.rfind(ASSISTANT)
    if not shared.startswith(HUMAN) or cut < 0:
        raise ValueError("'chosen' and 'rejected' share no 'Human: ... Assistant:' opening")
    end = cut + len(ASSISTANT)
    chosen, rejected = (text[end:].strip() for text in texts)
    return Pair(shared[:end], chosen, rejected)


def _whole(text: str) -> str:
    """A complete transcript with its leading blank line and Unix line ends."""
    return "\n\n" + _unix(text).strip()


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
