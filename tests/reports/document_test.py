"""Reports as Markdown and HTML."""

import base64
from html import parser

import pytest

from ofa_aec_tf.reports import document
from ofa_aec_tf.reports.document import Code
from ofa_aec_tf.reports.document import Paragraph
from ofa_aec_tf.reports.document import Picture
from ofa_aec_tf.reports.document import Section
from ofa_aec_tf.reports.document import Table

_HOSTILE = "<script>alert('x')</script> & \"y\" | *a* `b` [c](http://d)"


class Page(parser.HTMLParser):
    """The tags, attributes and texts of a page; each tag must be closed."""

    _EMPTY = {"meta", "img"}

    def __init__(self, page):
        super().__init__()
        self.attributes, self.texts, self._open = [], [], []
        self.feed(page)
        self.close()
        if self._open:
            raise ValueError(f"Not closed: {self._open}")

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, *attribute) for attribute in attrs]
        if tag not in self._EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if self._open.pop() != tag:
            raise ValueError(f"Closed out of order: {tag}")

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else None, data))


def of_everything(text):
    return [
        Section(
            text,
            (
                Paragraph(text),
                Code((text, "second")),
                Table(text, (text, "n"), ((text, "1"),)),
                Picture("x.png", b"\x89PNG\xff", text),
            ),
        )
    ]


def test_a_table_is_a_table_of_github():
    table = Table(
        "Caption",
        ("model", "budget", "score", "in"),
        (("OFA", "0.9M", "+5.40 ± 0.10 [+5.30, +5.50]", "3 of 3"),)
        + (("KD", "-", "-", "-"), ("x", "1.8M", "12.00 (one seed)", "2, 0")),
    )
    text = document.to_markdown("Title", [Section("Heading", (table,))])
    assert text.splitlines() == [
        "# Title",
        "",
        "## Heading",
        "",
        "**Caption**",
        "",
        "| model | budget | score | in |",
        "| - | - | -: | -: |",
        "| OFA | 0.9M | +5.40 ± 0.10 [+5.30, +5.50] | 3 of 3 |",
        "| KD | - | - | - |",
        "| x | 1.8M | 12.00 (one seed) | 2, 0 |",
    ]


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("[2,2,X] of snake_case", "[2,2,X] of snake\\_case"),
        ("a | b\n<i>", "a \\| b \\<i\\>"),
        ("![x](http://y)", "![x]\\(http://y)"),
        ("[x][y]", "[x]\\[y]"),
        ("[x]: http://y", "\\[x]: http://y"),
        ("# no heading", "\\# no heading"),
        ("- no list", "\\- no list"),
        ("12. no list", "12\\. no list"),
        ("$x$ &lt; ~~y~~ \\", "\\$x\\$ \\&lt; \\~\\~y\\~\\~ \\\\"),
    ],
)
def test_markdown_is_escaped(text, escaped):
    markdown = document.to_markdown("T", [Section("H", (Paragraph(text),))])
    assert markdown == f"# T\n\n## H\n\n{escaped}\n"


def test_code_is_as_it_was_even_with_fences_in_it():
    code = Code(("a --b=*c*", "```", "d"))
    markdown = document.to_markdown("T", [Section("H", (code,))])
    assert markdown.endswith("\n````sh\na --b=*c*\n```\nd\n````\n")


def test_a_cell_cannot_leave_its_row():
    markdown = document.to_markdown("T", of_everything("a | b\nc"))
    assert "| a \\| b c | 1 |\n" in markdown


def test_html_shows_texts_as_they_are():
    page = Page(document.to_html(_HOSTILE, of_everything(_HOSTILE)))
    shown = [tag for tag, text in page.texts if text == _HOSTILE]
    assert shown == [
        "title",
        "h1",
        "h2",
        "p",
        "caption",
        "th",
        "td",
        "figcaption",
    ]
    assert ("pre", f"{_HOSTILE}\nsecond") in page.texts
    assert ("img", "alt", _HOSTILE) in page.attributes


def test_html_needs_nothing_else():
    page = Page(document.to_html("T", of_everything("x")))
    sources = [
        value for _, name, value in page.attributes if name in ("src", "href")
    ]
    (source,) = sources
    head, data = source.split(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == b"\x89PNG\xff"
    style = next(text for tag, text in page.texts if tag == "style")
    assert "url(" not in style and "@import" not in style
    assert "prefers-color-scheme: dark" in style


def test_numbers_stand_to_the_right():
    page = document.to_html("T", of_everything("x"))
    assert '<td class="text">x</td><td class="number">1</td>' in page
