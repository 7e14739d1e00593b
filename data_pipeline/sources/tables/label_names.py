"""Classes of a published data set, and their identifiers in its tables."""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence

from absl import logging

from data_pipeline.clips import class_names
from data_pipeline.clips.clip import SkippedRow
from data_pipeline.sources.tables import cell_values


class LabelNames:
    """Finds the names of classes by their identifiers.

    Args:
        entries: iterable of tuples of the line number and the cells (index,
            identifier and name), of a table of classes.
        table: path of the table, for errors.

    Raises:
        ValueError: naming the line, if an index is not an integer, or an index,
            identifier or name is missing or repeated.
    """

    def __init__(self, entries: Iterable[tuple[int, list[str]]], table):
        by_index: dict[int, tuple[str, str]] = {}
        for line, cells in entries:
            where = f"{table}, line {line}"
            if len(cells) != 3 or not all(cell.strip() for cell in cells):
                raise ValueError(
                    f"{where}: expected an index, an identifier and a name. "
                    f"Received: {cells}"
                )
            text, identifier, name = (cell.strip() for cell in cells)
            name = class_names.clean(name, where)
            index = cell_values.parse_integer(text, "index", where)
            if index in by_index:
                raise ValueError(f"{where}: the index {index} is repeated.")
            by_index[index] = identifier, name
        if not by_index:
            raise ValueError(f"{table} names no classes.")
        in_order = [by_index[index] for index in sorted(by_index)]
        for column in zip(*in_order):
            for value, count in Counter(column).items():
                if count > 1:
                    raise ValueError(
                        f"{table}: every class must appear once. Received "
                        f"{count} times: {value!r}"
                    )
        self._name_of = dict(in_order)
        self._table = table
        self._reported: set[str] = set()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names in the order of the indices."""
        return tuple(self._name_of.values())

    def known(
        self, identifiers: Iterable[str], notes: Counter[str]
    ) -> tuple[str, ...]:
        """Returns the names of the identifiers that are classes.

        Args:
            identifiers: iterable of str, of one row.
            notes: Counter. Counts `unknown_label` if some identifiers are
                unknown and others are not.

        Returns:
            tuple of distinct str; empty if none is a class.
        """
        names = {}
        unknown = []
        for identifier in identifiers:
            if identifier in self._name_of:
                names[self._name_of[identifier]] = None
            else:
                unknown.append(identifier)
        for identifier in unknown:
            if identifier not in self._reported:
                self._reported.add(identifier)
                logging.warning(
                    "The label %s is not in %s.", identifier, self._table
                )
        if names and unknown:
            notes["unknown_label"] += 1
        return tuple(names)


def unknown_label_row(
    clip_id: str, filename: str, identifiers: Sequence[str], split: str
) -> SkippedRow:
    """Makes the SkippedRow of a row without any known label."""
    received = ", ".join(identifiers)
    reason = f"none of its labels is a class. Received: {received}"
    return SkippedRow(clip_id, filename, "unknown_label", reason, split)
