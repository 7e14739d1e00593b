"""Tables of the schema "TFLite Model Metadata", by positions of fields.

The schema is `metadata_schema.fbs`.
"""

import dataclasses

from flatbuffers.table import Table

MODEL_NAME, MODEL_DESCRIPTION, MODEL_VERSION = 0, 1, 2
MODEL_SUBGRAPHS, MODEL_MIN_PARSER_VERSION = 3, 7
SUBGRAPH_INPUTS, SUBGRAPH_OUTPUTS = 2, 3
TENSOR_NAME, TENSOR_DESCRIPTION, TENSOR_CONTENT = 0, 1, 3
TENSOR_PROCESS_UNITS, TENSOR_STATISTICS, TENSOR_FILES = 4, 5, 6
CONTENT_TYPE, CONTENT_PROPERTIES = 0, 1
AUDIO_SAMPLE_RATE, AUDIO_CHANNELS = 0, 1
FILE_NAME, FILE_TYPE = 0, 2
FEATURE_PROPERTIES, AUDIO_PROPERTIES = 1, 4
TENSOR_AXIS_LABELS, TENSOR_AXIS_SCORE_CALIBRATION = 2, 4
UNIT_TYPE, UNIT_OPTIONS = 0, 1
SCORE_CALIBRATION = 2
CALIBRATION_TRANSFORMATION = 0
INVERSE_LOGISTIC = 2


@dataclasses.dataclass(frozen=True)
class Number:
    """A number in a field of a table.

    Args:
        kind: str. Its type, as in the methods of flatbuffers.Builder: `Int8`,
            `Uint8` or `Uint32`.
        value: int.
    """

    kind: str
    value: int


def build(builder, table: dict) -> int:
    """Builds a table and all that is in it.

    Args:
        builder: flatbuffers.Builder.
        table: dict from positions of fields to values: a Number, a str, a
            table, or a list of tables.

    Returns:
        int. Offset of the table.
    """
    # Children are built first: tables cannot be nested in the builder.
    offsets = {
        field: _build_child(builder, value)
        for field, value in table.items()
        if not isinstance(value, Number)
    }
    builder.StartObject(1 + max(table, default=-1))
    for field, value in table.items():
        if isinstance(value, Number):
            add = getattr(builder, f"Prepend{value.kind}Slot")
            add(field, value.value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(field, offsets[field], 0)
    return builder.EndObject()


def _build_child(builder, value):
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, dict):
        return build(builder, value)
    offsets = [build(builder, table) for table in value]
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


class Reader:
    """Reads fields of a table by their positions.

    Args:
        table: flatbuffers Table.
    """

    def __init__(self, table: Table):
        self._table = table

    def _offset(self, field):
        # The first two entries of a vtable are sizes.
        return self._table.Offset(4 + 2 * field)

    def text(self, field):
        """The text in a field, empty if there is none."""
        offset = self._offset(field)
        if not offset:
            return ""
        return self._table.String(self._table.Pos + offset).decode()

    def scalar(self, field, number_type):
        """The number in a field, 0 if there is none."""
        offset = self._offset(field)
        if not offset:
            return 0
        return self._table.Get(number_type, self._table.Pos + offset)

    def child(self, field):
        """The table in a field, or None."""
        offset = self._offset(field)
        if not offset:
            return None
        position = self._table.Indirect(self._table.Pos + offset)
        return Reader(Table(self._table.Bytes, position))

    def children(self, field):
        """The tables in a field."""
        offset = self._offset(field)
        if not offset:
            return []
        start = self._table.Vector(offset)
        return [
            Reader(
                Table(self._table.Bytes, self._table.Indirect(start + 4 * i))
            )
            for i in range(self._table.VectorLen(offset))
        ]


def read_root(serialized: bytes) -> Reader:
    """The root table.

    Args:
        serialized: bytes of a flatbuffer.
    """
    start = int.from_bytes(serialized[:4], "little")
    return Reader(Table(bytearray(serialized), start))
