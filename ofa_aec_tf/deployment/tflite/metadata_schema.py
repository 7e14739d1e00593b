"""Tables of the schema "TFLite Model Metadata", by positions of fields.

The schema is `metadata_schema.fbs`.
"""

from flatbuffers.table import Table

MODEL_NAME, MODEL_DESCRIPTION, MODEL_VERSION = 0, 1, 2
MODEL_SUBGRAPHS, MODEL_MIN_PARSER_VERSION = 3, 7
NUM_MODEL_FIELDS = 8
SUBGRAPH_INPUTS, SUBGRAPH_OUTPUTS = 2, 3
NUM_SUBGRAPH_FIELDS = 10
TENSOR_NAME, TENSOR_DESCRIPTION, TENSOR_CONTENT = 0, 1, 3
TENSOR_PROCESS_UNITS, TENSOR_STATISTICS, TENSOR_FILES = 4, 5, 6
NUM_TENSOR_FIELDS = 7
CONTENT_TYPE, CONTENT_PROPERTIES = 0, 1
NUM_CONTENT_FIELDS = 3
AUDIO_SAMPLE_RATE, AUDIO_CHANNELS = 0, 1
NUM_AUDIO_FIELDS = 2
FILE_NAME, FILE_TYPE = 0, 2
NUM_FILE_FIELDS = 5
NUM_STATISTICS_FIELDS = 2
FEATURE_PROPERTIES, AUDIO_PROPERTIES = 1, 4
TENSOR_AXIS_LABELS, TENSOR_AXIS_SCORE_CALIBRATION = 2, 4
UNIT_TYPE, UNIT_OPTIONS = 0, 1
NUM_UNIT_FIELDS = 2
SCORE_CALIBRATION = 2
CALIBRATION_TRANSFORMATION = 0
NUM_CALIBRATION_FIELDS = 2
INVERSE_LOGISTIC = 2


def vector(builder, offsets):
    """A vector of tables.

    Args:
        builder: flatbuffers.Builder.
        offsets: list of int. Offsets of tables that are built.

    Returns:
        int. Its offset.
    """
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def table(builder, num_fields, offsets, add_scalars=lambda: None):
    """A table of offsets and scalars.

    Args:
        builder: flatbuffers.Builder.
        num_fields: int. Number of fields of this kind of table.
        offsets: dict from position to the offset of a child that is built.
        add_scalars: function without arguments that adds the other fields.

    Returns:
        int. Its offset.
    """
    builder.StartObject(num_fields)
    for field, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    add_scalars()
    return builder.EndObject()


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
