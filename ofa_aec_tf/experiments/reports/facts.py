"""How something was measured, as blocks of a report."""

from collections.abc import Mapping
from collections.abc import Sequence

from ofa_aec_tf.experiments.reports import cells
from ofa_aec_tf.reports.document import Block
from ofa_aec_tf.reports.document import Code
from ofa_aec_tf.reports.document import Paragraph
from ofa_aec_tf.reports.document import Section
from ofa_aec_tf.reports.document import Table


def section(facts: Mapping) -> Section:
    """The section at the end of a report.

    Args:
        facts: dict of JSON types, in the order to show: corpus, schedule,
            machine, versions, seconds a stage. Those without parts become one
            table, a dict a table of its own, a list lines to type.
    """
    return Section("How it was measured", tuple(_blocks(facts)))


def _blocks(facts: Mapping) -> list[Block]:
    plain = {k: v for k, v in facts.items() if not _has_parts(v)}
    blocks: list[Block] = _fact_table("Facts", plain)
    for name, value in facts.items():
        if isinstance(value, Mapping):
            blocks += _fact_table(str(name), value)
        elif _has_parts(value):
            blocks.append(Paragraph(f"{name}:"))
            blocks.append(Code(tuple(map(str, value))))
    return blocks or [Paragraph("No facts were given.")]


def _has_parts(value) -> bool:
    return isinstance(value, Mapping | Sequence) and not isinstance(value, str)


def _fact_table(caption, facts) -> list[Table]:
    rows = tuple(
        (str(name), _fact_text(value)) for name, value in facts.items()
    )
    return [Table(caption, ("what", "value"), rows)] * bool(rows)


def _fact_text(value) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_fact_text(v)}" for k, v in value.items())
    if _has_parts(value):
        return ", ".join(map(_fact_text, value))
    if value is None:
        return cells.NO_VALUE
    return f"{value:.6g}" if isinstance(value, float) else str(value)
