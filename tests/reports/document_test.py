"""Reports as Markdown and HTML."""

import base64
from html import parser

import jinja2
import pytest

from ofa_aec_tf.reports import document
from ofa_aec_tf.reports.document import Picture
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


_REPORT = """\
{{ page.heading(text) }}
{% if paragraph %}
{% call page.paragraph() %}

{{ text }}
{% endcall %}
{% endif %}

{% for block in blocks %}
{{ page.block(block) }}
{% endfor %}
"""


def render(text, *blocks, title="T", paragraph=True):
    """A report of a heading, a paragraph and blocks: Markdown and HTML."""
    files = document.render(
        jinja2.DictLoader({"report": _REPORT}),
        "report",
        title,
        text=text,
        paragraph=paragraph,
        blocks=blocks,
    )
    return files["report.md"], files["report.html"]


def of_everything(text):
    return render(
        text,
        Table(text, (text, "n"), ((text, "1"),)),
        Picture("x.png", b"\x89PNG\xff", text),
        title=text,
    )


def test_a_table_is_a_table_of_github():
    table = Table(
        "Caption",
        ("model", "budget", "score", "in"),
        (("OFA", "0.9M", "+5.40 ± 0.10 [+5.30, +5.50]", "3 of 3"),)
        + (("KD", "-", "-", "-"), ("x", "1.8M", "12.00 (one seed)", "2, 0")),
    )
    text, _ = render("Heading", table, title="Title", paragraph=False)
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
    markdown, _ = render(text)
    assert markdown == f"# T\n\n## {escaped}\n\n{escaped}\n"


def test_a_cell_cannot_leave_its_row():
    markdown, _ = of_everything("a | b\nc")
    assert "| a \\| b c | 1 |\n" in markdown


def test_html_shows_texts_as_they_are():
    page = Page(of_everything(_HOSTILE)[1])
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
    assert ("img", "alt", _HOSTILE) in page.attributes


def test_html_needs_nothing_else():
    page = Page(of_everything("x")[1])
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
    _, page = of_everything("x")
    assert '<td class="text">x</td><td class="number">1</td>' in page
