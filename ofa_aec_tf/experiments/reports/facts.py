"""How something was measured, as tables of a report."""

from collections.abc import Mapping

from ofa_aec_tf.reports import document
from ofa_aec_tf.reports.document import Table
from ofa_aec_tf.runs.text_tables import NO_VALUE


def tables(facts: Mapping) -> list[Table]:
    """The tables at the end of a report.

    Args:
        facts: dict of JSON types, in the order to show. Each dict in it
            becomes a table of its own; everything else is one table.
    """
    plain = {k: v for k, v in facts.items() if not isinstance(v, Mapping)}
    groups = {"Facts": plain} | {
        str(name): value
        for name, value in facts.items()
        if isinstance(value, Mapping)
    }
    return [
        table
        for caption, group in groups.items()
        for table in document.tables(
            caption,
            [{"what": str(k), "value": _text(v)} for k, v in group.items()],
        )
    ]


def _text(value) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_text(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    if value is None:
        return NO_VALUE
    return f"{value:.6g}" if isinstance(value, float) else str(value)
