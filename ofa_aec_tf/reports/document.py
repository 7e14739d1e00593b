"""A report as Markdown and as HTML, from one template.

The template is given `page`, the macros `heading`, `paragraph`, `table`,
`picture` and `block` of the one format or the other. What it shows is plain
text: what looks like markup is escaped.
"""

import base64
import dataclasses
import pathlib
import re
from collections.abc import Mapping

import jinja2

from ofa_aec_tf.reports import templates
from ofa_aec_tf.runs import workdir

MARKDOWN_REPORT, HTML_REPORT = "report.md", "report.html"
# For each file the macros of its format, and what stands around the report.
_FORMATS = {
    MARKDOWN_REPORT: ("blocks.md", "document.md"),
    HTML_REPORT: ("blocks.html", "document.html"),
}
_NUMBER = re.compile(r"-|[+-]?\d[\d., ]*(±.*|of \d+|to \d+|\(one seed\))?")
# What Markdown, or GitHub's, could read as markup inside a line. Of links the
# joint is enough: a search space may go on being called [2,2,X].
_MARKUP = re.compile(r"[\\`*_<>|~$&]|(?<=\])[(\[]")
# What would begin a heading, a list or the target of a link.
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

    @property
    def data_url(self) -> str:
        """The picture itself, for a page that needs no other file."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"


def render(
    loader: jinja2.BaseLoader, template: str, title: str, **values
) -> dict[str, str]:
    """The files of a report.

    Args:
        loader: loader of the template, and of what it includes.
        template: str. Its name.
        title: str.
        **values: what the template shows.

    Returns:
        dict from MARKDOWN_REPORT and HTML_REPORT to their content. The HTML
        page needs no other file; of Markdown pictures are files beside it.
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
        # Templates have blank lines where they are read best.
        files[file] = re.sub(r"\n{3,}", "\n\n", text)
    return files


def write(directory, files: Mapping[str, str]) -> None:
    """Writes what `render` has made.

    Args:
        directory: path of the directory; created.
        files: dict from names to texts.
    """
    for name, text in files.items():
        workdir.write_text(pathlib.Path(directory) / name, text)


def _markdown(text) -> str:
    """Plain text as a line of Markdown."""
    escaped = _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
    return _BEGINNING.sub(r"\1\\\2", escaped)
