"""Answers in the arena's panes: Markdown is rendered, and nothing in a text can act on the page."""

import re

import pytest

from ui.answers import formatted, plain
from ui.arena_panes import inert

TAGS = re.compile(r"<\s*/?\s*([a-z0-9]+)([^>]*)>", re.IGNORECASE)
HARMLESS = {"div", "p", "strong", "em", "s", "code", "pre", "ul", "ol", "li", "blockquote", "hr", "br"}
HARMLESS |= {"h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"}

ATTACKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![pixel](https://evil.example/seen.png)",
    "![a](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoMSk+)",
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt&colon;alert(1))",
    "[click][ref]\n\n[ref]: https://evil.example 'title'",
    "<https://evil.example>",
    "<iframe src='https://evil.example'></iframe>",
    "<svg/onload=alert(1)>",
    "<div style='position:fixed;inset:0'>over all</div>",
    "```html\n<script>alert(1)</script>\n```",
    "`<b>` and **<i>**",
    "| a | <img src=x> |\n|---|---|\n| [x](http://evil.example) | b |",
    "<!-- <script> --> <style>@import 'https://evil.example'</style>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    '```" onmouseover="alert(1)\ncode\n```',
    "# <form action=https://evil.example><input name=p></form>",
]


@pytest.mark.faults(29)
@pytest.mark.parametrize("text", ATTACKS)
def test_no_attack_becomes_markup(text):
    for tag, rest in TAGS.findall(formatted(text)):
        assert tag.lower() in HARMLESS, tag
        assert not re.search(r"\bon\w+\s*=|src\s*=|href\s*=|url\(", _without_texts(rest)), rest


def _without_texts(attributes):
    """Attributes without their quoted values, which cannot do anything."""
    return re.sub(r'"[^"]*"', '""', attributes)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold**", "<strong>bold</strong>"),
        ("- one\n- two", "<li>two</li>"),
        ("1. one", "<ol>"),
        ("```\nx < y\n```", "x &lt; y"),
        ("| a |\n|---|\n| b |", "<td>b</td>"),
        ("~~no~~", "<s>no</s>"),
    ],
)
def test_ordinary_markdown_is_rendered(text, html):
    assert html in formatted(text)


def test_links_and_images_stay_visible_as_text():
    assert "[here](https://evil.example)" in formatted("[here](https://evil.example)")
    assert "![x](https://evil.example/x.png)" in formatted("![x](https://evil.example/x.png)")


def test_markdown_is_for_answers_only():
    messages = [{"role": "user", "content": "**why**"}, {"role": "assistant", "content": "**so**"}]
    question, answer = (message["content"] for message in inert(messages, markdown=True))
    assert question == "**why**" and "<strong>so</strong>" in answer
    assert [message["content"] for message in inert(messages)] == ["**why**", "**so**"]
    assert plain("<b>") == "&lt;b&gt;"
