"""Text of models and people as HTML that cannot do anything: for the panes of the arena.

A model's answer may hold Markdown, and it may hold an attack: markup, scripts, images that tell another
server who reads it. Markdown is rendered without HTML, links and images: all three stay visible as the text
that they are. Gradio's own sanitizer and the page's content security policy stand behind this.
"""

from __future__ import annotations

import functools
from html import escape

from markdown_it import MarkdownIt

# Rules of Markdown that could load something, lead away from the page, or pass markup on.
REFUSED = ["image", "link", "autolink", "reference", "html_block", "html_inline"]


def plain(text: str) -> str:
    """The text as it is: `<b>` is shown as `<b>`."""
    return escape(text, quote=False)


def formatted(text: str) -> str:
    """The text with its Markdown rendered: headings, lists, emphasis, code and tables only."""
    return f'<div class="md">{_reader().render(text)}</div>'


@functools.cache
def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    return reader.enable(["table", "strikethrough"]).disable(REFUSED)
