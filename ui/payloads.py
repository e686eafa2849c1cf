"""Checks of each call of a page handler: the caller's role, and no unexpected file reference or URL in it.

Gradio looks for file references in the payload of every input, whatever its component, and copies the file
(or downloads the URL) to a folder from which anybody can read it. `CheckedBlocks` refuses such a payload
before Gradio opens anything. It does not check the content of an uploaded file; `data.sources` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction

from data.errors import UserError
from ui.access import Access

FILE_KEYS = frozenset({"path", "url", "meta"})


class CheckedBlocks(gr.Blocks):
    """A `gr.Blocks` that checks the caller and the payload of each call, through every endpoint.

    Gradio compares the path of an upload with the upload folder only after `launch`, which
    `gr.mount_gradio_app` never calls. `has_launched` is therefore set here, for as long as the page exists.
    """

    access = Access()

    async def process_api(
        self, block_fn: BlockFunction | int, inputs: list[Any], *args: Any, **more: Any
    ) -> dict[str, Any]:
        """Like `gr.Blocks.process_api`. Raises gr.Error for a caller without the handler's role."""
        request = more.get("request")
        found = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        if args or isinstance(request, list):  # nothing here is called in batches
            raise gr.Error("This call cannot be read.", print_exception=False)
        try:
            self.access.check(request, role_of(found))
        except UserError as error:
            raise gr.Error(str(error), print_exception=False) from error
        return await super().process_api(found, inputs, **more)

    def __exit__(self, *args: Any) -> None:
        super().__exit__(*args)
        self.has_launched = True

    def validate_inputs(self, block_fn: BlockFunction, inputs: list[Any]) -> None:
        """Refuse a call whose inputs contain a file reference for a component that accepts none.

        Raises gr.Error before any file is opened or any host is contacted. The browser and gradio_client
        send an upload as a dict with a local path; any other dict with the keys of a file is an attack.
        """
        super().validate_inputs(block_fn, inputs)
        for index, value in enumerate(inputs):
            component = block_fn.inputs[index] if index < len(block_fn.inputs) else None
            for reference in file_references(value):
                if not isinstance(component, gr.File) or not is_local_path(reference.get("path")):
                    message = f"Input {index} must not hold a file or an address."
                    raise gr.Error(message, print_exception=False)


def role_of(block_fn: BlockFunction) -> str:
    """The role that a handler requires: "admin", unless it is marked or only reads (`ui.events.QUIET`)."""
    return getattr(block_fn.fn, "role", "admin" if block_fn.queue else "rater")


def file_references(value: Any) -> Iterator[dict[str, Any]]:
    """Each dict inside a JSON value that has a key of a file reference."""
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if not FILE_KEYS.isdisjoint(found):
                yield found
            waiting.extend(found.values())
        elif isinstance(found, list | tuple):
            waiting.extend(found)


def is_local_path(path: Any) -> bool:
    """Whether this is a non-empty path, and not a URL such as http://…, file:… or //host/…"""
    return isinstance(path, str) and path != "" and "://" not in path and not path.startswith(("//", "\\\\"))
