"""A report of paragraphs, tables and pictures, as Markdown and as HTML.

Texts are plain: what looks like markup in them is escaped.
"""

import base64
import dataclasses
import html
import pathlib
import re
from collections.abc import Iterable
from collections.abc import Sequence

from ofa_aec_tf.runs import workdir

MARKDOWN_REPORT, HTML_REPORT = "report.md", "report.html"
_NUMBER = re.compile(r"-|[+-]?\d[\d., ]*(±.*|of \d+|to \d+|\(one seed\))?")
# What Markdown, or GitHub's, could read as markup inside a line. Of links the
# joint is enough: a search space may go on being called [2,2,X].
_MARKUP = re.compile(r"[\\`*_<>|~$&]|(?<=\])[(\[]")
# What would begin a heading, a list or the target of a link.
_BEGINNING = re.compile(r"^(\d*)([#+.)-]+ |\[.*\]:)")
_STYLE = """
:root { color-scheme: light dark; --line: #c9ced6; --soft: #f2f4f7; }
@media (prefers-color-scheme: dark) {
  :root { --line: #4a515c; --soft: #262a31; }
}
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 72rem; padding: 0 1rem; }
h2 { border-top: 1px solid var(--line); margin-top: 2.5rem;
  padding-top: 1rem; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .7rem;
  text-align: left; min-width: 4rem; }
th { background: var(--soft); vertical-align: bottom; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
figure { margin: 1rem 0; }
img { max-width: 100%; height: auto; background: white; }
pre { background: var(--soft); overflow-x: auto; padding: .8rem; }
"""


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclasses.dataclass(frozen=True)
class Code:
    """Lines to type, shown as they are."""

    lines: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Table:
    """Cells under headers.

    Args:
        caption: str.
        header: tuple of str.
        rows: tuple of tuples of str, each as long as the header.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def numeric(self) -> list[bool]:
        """Which columns hold numbers, or a dash, in each row."""
        return [
            all(_NUMBER.fullmatch(row[index]) for row in self.rows)
            for index in range(len(self.header))
        ]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture.

    Args:
        file: str. Its file's name beside the report.
        png: bytes of the file.
        caption: str.
    """

    file: str
    png: bytes
    caption: str


Block = Paragraph | Code | Table | Picture


@dataclasses.dataclass(frozen=True)
class Section:
    """Blocks under a heading."""

    heading: str
    blocks: tuple[Block, ...]


def write(directory, title: str, sections: Sequence[Section]) -> None:
    """Writes `report.md` and `report.html`; the latter needs no other file.

    Args:
        directory: path of the directory.
        title: str.
        sections: sequence of Section.
    """
    directory = pathlib.Path(directory)
    workdir.write_text(
        directory / MARKDOWN_REPORT, to_markdown(title, sections)
    )
    workdir.write_text(directory / HTML_REPORT, to_html(title, sections))


def pictures(sections: Iterable[Section]) -> list[Picture]:
    """All pictures, in their order."""
    return [
        block
        for section in sections
        for block in section.blocks
        if isinstance(block, Picture)
    ]


def to_markdown(title: str, sections: Sequence[Section]) -> str:
    """The report as Markdown; pictures are files beside it.

    Args:
        title: str.
        sections: sequence of Section.
    """
    parts = [f"# {_escaped(title)}"]
    for section in sections:
        parts.append(f"## {_escaped(section.heading)}")
        parts.extend(map(_markdown, section.blocks))
    return "\n\n".join(parts) + "\n"


def _escaped(text) -> str:
    escaped = _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
    return _BEGINNING.sub(r"\1\\\2", escaped)


def _markdown(block) -> str:
    match block:
        case Paragraph():
            return _escaped(block.text)
        case Code():
            # A fence longer than what the lines have.
            runs = re.findall("`+", "\n".join(block.lines))
            fence = "`" * max([3, *(len(run) + 1 for run in runs)])
            return "\n".join([f"{fence}sh", *block.lines, fence])
        case Picture():
            return f"![{_escaped(block.caption)}]({block.file})"
    lines = [
        f"| {' | '.join(map(_escaped, row))} |"
        for row in (block.header, *block.rows)
    ]
    marks = ("-:" if numeric else "-" for numeric in block.numeric())
    lines.insert(1, f"| {' | '.join(marks)} |")
    return "\n".join([f"**{_escaped(block.caption)}**", "", *lines])


def to_html(title: str, sections: Sequence[Section]) -> str:
    """The report as one HTML page that needs no other file.

    Args:
        title: str.
        sections: sequence of Section.
    """
    title = html.escape(title)
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        '<head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style></head>",
        f"<body><h1>{title}</h1>",
    ]
    for section in sections:
        parts.append(f"<h2>{html.escape(section.heading)}</h2>")
        parts.extend(map(_html, section.blocks))
    return "\n".join([*parts, "</body></html>"]) + "\n"


def _html(block) -> str:
    match block:
        case Paragraph():
            return f"<p>{html.escape(block.text)}</p>"
        case Code():
            return f"<pre>{html.escape(chr(10).join(block.lines))}</pre>"
        case Picture():
            data = base64.b64encode(block.png).decode()
            caption = html.escape(block.caption)
            return (
                f'<figure><img alt="{caption}" '
                f'src="data:image/png;base64,{data}">'
                f"<figcaption>{caption}</figcaption></figure>"
            )
    classes = ["number" if n else "text" for n in block.numeric()]
    lines = [
        '<div class="scroll" tabindex="0"><table>',
        f"<caption>{html.escape(block.caption)}</caption>",
        f"<thead>{_row('th', block.header, classes)}</thead><tbody>",
        *(_row("td", row, classes) for row in block.rows),
        "</tbody></table></div>",
    ]
    return "\n".join(lines)


def _row(tag, cells, classes) -> str:
    return "".join(
        [
            "<tr>",
            *(
                f'<{tag} class="{name}">{html.escape(cell)}</{tag}>'
                for cell, name in zip(cells, classes)
            ),
            "</tr>",
        ]
    )
