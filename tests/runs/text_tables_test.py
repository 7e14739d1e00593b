"""Tables that commands print."""

from ofa_aec_tf.runs import text_tables


def test_names_stand_to_the_left_and_numbers_to_the_right():
    rows = [("name", "n", "score"), ("a", 10, 0.5), ("longer", 2, "")]
    assert text_tables.aligned(rows).splitlines() == [
        "name     n  score",
        "a       10    0.5",
        "longer   2",
    ]
