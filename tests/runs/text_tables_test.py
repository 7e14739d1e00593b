"""Tables that commands print."""

from ofa_aec_tf.runs import text_tables


def test_names_stand_to_the_left_and_numbers_to_the_right():
    rows = [("name", "n", "score"), ("a", 10, 0.5), ("longer", 2, "")]
    assert text_tables.aligned(rows).splitlines() == [
        "name     n  score",
        "a       10    0.5",
        "longer   2",
    ]


def test_columns_have_formats_and_dashes():
    rows = [{"file": "a", "bytes": 1234}, {"file": "b", "bytes": None}]
    columns = (
        ("name", "file", ""),
        ("size", "bytes", ","),
        ("kiB", "bytes", lambda number: f"{number / 1024:.1f}"),
        ("ms", "latency_ms", ".2f"),
    )
    assert text_tables.table(rows, columns).splitlines() == [
        "name   size  kiB  ms",
        "a     1,234  1.2   -",
        "b         -    -   -",
    ]
