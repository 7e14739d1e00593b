"""Reports as Markdown and as HTML, both from one template.

The template gets `page`, which has the macros `heading`, `paragraph`, `table`,
`picture` and `block` of the format. Markup in texts is escaped.
"""

import base64
import dataclasses
import pathlib
import re
from collections.abc import Mapping
from collections.abc import Sequence

import jinja2

from ofa_aec_tf.reports import templates
from ofa_aec_tf.runs import workdir

MARKDOWN_REPORT, HTML_REPORT = "report.md", "report.html"
# For each file the macros of its format, and the frame of the report.
_FORMATS = {
    MARKDOWN_REPORT: ("blocks.md", "document.md"),
    HTML_REPORT: ("blocks.html", "document.html"),
}
_NUMBER = re.compile(r"-|[+-]?\d[\d., ]*(±.*|of \d+|to \d+|\(one seed\))?")
# Markup inside a line, also that of GitHub. Of links the middle is enough, so
# that a search space can be written as [2,2,X].
_MARKUP = re.compile(r"[\\`*_<>|~$&]|(?<=\])[(\[]")
# The beginning of a heading, a list or a link target.
_BEGINNING = re.compile(r"^(\d*)([#+.)-]+ |\[.*\]:)")


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
        """Whether each column has only numbers and dashes."""
        return [
            all(_NUMBER.fullmatch(row[index]) for row in self.rows)
            for index in range(len(self.header))
        ]


def tables(caption: str, rows: Sequence[Mapping[str, str]]) -> list[Table]:
    """One table whose headers are the keys of its rows; none without rows.

    Args:
        caption: str.
        rows: sequence of dicts from headers to cells, all of the same keys.
    """
    if not rows:
        return []
    header = tuple(rows[0])
    return [Table(caption, header, tuple(tuple(row.values()) for row in rows))]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture.

    Args:
        file: str. Name of its file, in the directory of the report.
        png: bytes of the file.
        caption: str.
    """

    file: str
    png: bytes
    caption: str

    @property
    def data_url(self) -> str:
        """The picture as a URL, for pages that need no other file."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def render(
    loader: jinja2.BaseLoader, template: str, title: str, **values
) -> dict[str, str]:
    """Renders a report.

    Args:
        loader: jinja2 loader of the template and those that it uses.
        template: str. Its name.
        title: str.
        **values: what the template shows.

    Returns:
        dict from file names, MARKDOWN_REPORT and HTML_REPORT, to texts. The
        HTML page needs no other file; Markdown refers to the pictures.
    """
    files = {}
    for file, (blocks, around) in _FORMATS.items():
        environment = templates.environment(loader, file == HTML_REPORT)
        environment.filters["markdown"] = _markdown
        page = environment.get_template(blocks).module
        report = environment.get_template(template).render(page=page, **values)
        text = environment.get_template(around).render(
            title=title, report=report
        )
        # Templates have more blank lines, to be readable themselves.
        files[file] = re.sub(r"\n{3,}", "\n\n", text)
    return files


def write(directory, files: Mapping[str, str]) -> None:
    """Writes the files of a report.

    Args:
        directory: path of the directory; created.
        files: dict from names to texts.
    """
    for name, text in files.items():
        workdir.write_text(pathlib.Path(directory) / name, text)


def _markdown(text) -> str:
    """Escapes text, as one line of Markdown."""
    escaped = _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
    return _BEGINNING.sub(r"\1\\\2", escaped)
