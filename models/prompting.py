"""Text to token ids and back: the only module that knows how a conversation is written for a model.

A prompt is an HH transcript ("\\n\\nHuman: hi\\n\\nAssistant:"), a response is plain text. Every stage uses
the ids of `encode_prompt` followed by those of `encode_responses`, which end with EOS. A tokenizer with a
chat template writes the same conversation in its own format. Typed text can never become a special token:
contents are encoded with special tokens split into ordinary ones, so a text cannot forge a role or a stop.

models.loading loads tokenizers, models.generation generates.
"""

import ctypes
import re
import threading
from typing import Any

from jinja2 import TemplateError

from data.errors import Code, UserError
from data.records import messages as to_messages

ROLE_STOP = "\n\nHuman:"
TEMPLATE_SECONDS = 10.0


class PromptFormat:
    """The format in which one tokenizer writes conversations.

    tokenizer: a fast tokenizer whose EOS and pad tokens differ (see models.loading.load_tokenizer).
    """

    def __init__(self, tokenizer: Any) -> None:
        if tokenizer.eos_token_id is None:
            raise UserError(
                "the tokenizer has no EOS token: choose a base model whose tokenizer has one", code=Code.BASE
            )
        if tokenizer.pad_token_id is None or tokenizer.pad_token_id == tokenizer.eos_token_id:
            raise UserError(
                "the tokenizer needs a separate pad token: load it with models.loading", code=Code.BASE
            )
        self.tokenizer = tokenizer
        self.eos_id: int = tokenizer.eos_token_id
        self.pad_id: int = tokenizer.pad_token_id
        self.uses_chat_template = bool(tokenizer.chat_template)
        self._prefix = self._bos()
        self._stop_last_ids: frozenset[int] | None = None
        if self.uses_chat_template:
            self._try_template()

    def encode_prompt(self, prompt: str, max_length: int) -> list[int]:
        """The last `max_length` ids of an HH transcript that ends with an open Assistant turn.

        If the tokenizer adds a BOS, it is kept. Raises ValueError for max_length < 1.
        """
        if max_length < 1:
            raise ValueError(f"max_length must be at least 1, not {max_length}")
        if self.uses_chat_template:
            ids, prefix = self._encode_chat(prompt), []
        else:
            ids, prefix = self._encode_text(prompt), self._prefix
        room = max(max_length - len(prefix), 0)
        return (prefix + (ids[-room:] if room else []))[:max_length]

    def encode_responses(self, responses: list[str]) -> list[list[int]]:
        """Ids of responses, EOS included, in one call of the tokenizer."""
        lead = "" if self.uses_chat_template else " "
        texts = [lead + text.strip() for text in responses]
        return [[*ids, self.eos_id] for ids in self._encode_texts(texts)]

    def encode_prompts(self, prompts: list[str], max_length: int) -> list[list[int]]:
        """`encode_prompt` for many prompts in one call of the tokenizer."""
        if self.uses_chat_template:
            return [self.encode_prompt(prompt, max_length) for prompt in prompts]
        if max_length < 1:
            raise ValueError(f"max_length must be at least 1, not {max_length}")
        room = max(max_length - len(self._prefix), 0)
        return [
            (self._prefix + (ids[-room:] if room else []))[:max_length] for ids in self._encode_texts(prompts)
        ]

    @staticmethod
    def fit(prompt_ids: list[int], response_ids: list[int], max_length: int) -> tuple[list[int], list[int]]:
        """Cut both to max_length together: first the prompt from the left, then the response from the right.

        A cut response loses its EOS, because it does not end there. The prompt keeps at least a quarter of
        max_length, so that a long response still has a prompt.
        """
        reserve = min(len(prompt_ids), max(max_length // 4, 1))
        response_ids = response_ids[: max(max_length - reserve, 1)]
        room = max_length - len(response_ids)
        return (prompt_ids[-room:] if room > 0 else []), response_ids

    def decode(self, ids: list[int]) -> str:
        """Plain text of response ids, without special tokens and outer white space."""
        return self.tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        ).strip()

    def cut_response(self, ids: list[int]) -> tuple[list[int], bool]:
        """Cut a sampled response at its end: (ids, ended).

        The end is EOS, which is kept, or the text "\\n\\nHuman:", which is removed with every token that
        overlaps it. ended is True in both cases; `ids[-1] == eos_id` tells them apart.
        """
        if self.eos_id in ids:
            ids, ended = ids[: ids.index(self.eos_id) + 1], True
        else:
            ended = False
        if self.uses_chat_template:
            return ids, ended
        text = self._raw(ids)
        at = text.find(ROLE_STOP)
        if at < 0:
            return ids, ended
        low, high = 0, len(ids)  # the longest prefix whose text ends at or before the marker
        while low < high:
            middle = (low + high + 1) // 2
            if len(self._raw(ids[:middle])) <= at:
                low = middle
            else:
                high = middle - 1
        return ids[:low], True

    @property
    def stop_last_ids(self) -> frozenset[int]:
        """Ids that can complete the "\\n\\nHuman:" marker: those whose text contains a colon."""
        if self._stop_last_ids is None:
            ids = [] if self.uses_chat_template else self._ids_with(":")
            self._stop_last_ids = frozenset(ids)
        return self._stop_last_ids

    def _ids_with(self, character: str) -> list[int]:
        # Byte-level and SentencePiece vocabularies both write ASCII punctuation as itself.
        return [index for token, index in self.tokenizer.get_vocab().items() if character in token]

    def _raw(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def _bos(self) -> list[int]:
        bos = self.tokenizer.bos_token_id
        written = self.tokenizer("a")["input_ids"]
        return [bos] if bos is not None and len(written) > 1 and written[0] == bos else []

    def _encode_text(self, text: str) -> list[int]:
        return self._encode_texts([text])[0]

    def _encode_texts(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        return self.tokenizer(
            texts,
            add_special_tokens=False,
            split_special_tokens=True,
            return_attention_mask=False,
            verbose=False,
        )["input_ids"]

    def _encode_chat(self, prompt: str) -> list[int]:
        """Render the template with placeholders, so that only its own text can contain special tokens."""
        turns = to_messages(prompt)
        marks = [f"\ue000{index}\ue001" for index in range(len(turns))]
        rendered = self._render([{**turn, "content": mark} for turn, mark in zip(turns, marks, strict=True)])
        ids: list[int] = []
        for piece in re.split("(\ue000\\d+\ue001)", rendered):
            if piece in marks:
                ids += self._encode_text(turns[marks.index(piece)]["content"])
            elif piece:
                ids += self.tokenizer(piece, add_special_tokens=False)["input_ids"]
        return ids

    def _render(self, turns: list[dict]) -> str:
        try:
            return self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        except TemplateError as error:
            raise UserError(
                f"the tokenizer's chat template refuses a conversation: {error}", code=Code.BASE
            ) from error

    def _try_template(self) -> None:
        """Render one turn as a test, because a template is a program that may fail or never end."""
        failed: list[Exception] = []

        def attempt():
            try:
                self._render([{"role": "user", "content": "hi"}])
            except SystemExit:  # from `stop_thread`: the caller has given up
                pass
            except Exception as error:  # raised again in the caller's thread
                failed.append(error)

        thread = threading.Thread(target=attempt, daemon=True)
        thread.start()
        thread.join(TEMPLATE_SECONDS)
        if thread.is_alive():
            stop_thread(thread)
            raise UserError(
                f"the tokenizer's chat template does not end within {TEMPLATE_SECONDS:.0f} s", code=Code.BASE
            )
        if failed:
            raise failed[0]


def stop_thread(thread: threading.Thread) -> None:
    """Raise SystemExit in a thread that runs Python code, which can end an endless loop."""
    identity = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(identity, ctypes.py_object(SystemExit))
