import json
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

from ofa_aec_tf.nas import html_report
from ofa_aec_tf.nas import pareto
from ofa_aec_tf.reports import templates

_NODE = shutil.which("node")
_SHARED = pathlib.Path(templates.__file__).parent / "page"
_OWN = pathlib.Path(html_report.__file__).parent / "html"

pytestmark = pytest.mark.skipif(_NODE is None, reason="Node is not installed")


def _run_in_node(expression):
    """The value of a JavaScript expression that uses numbers.js."""
    source = (_SHARED / "numbers.js").read_text("utf-8")
    script = f"{source}\nconsole.log(JSON.stringify({expression}))"
    finished = subprocess.run(
        [_NODE, "--eval", script], capture_output=True, text=True, check=True
    )
    return json.loads(finished.stdout)


@pytest.mark.parametrize(
    "path", [*_SHARED.glob("*.js"), *_OWN.glob("*.js")], ids=lambda p: p.name
)
def test_the_scripts_are_javascript(path):
    subprocess.run([_NODE, "--check", path], check=True)


def test_the_front_that_is_drawn_is_the_front_of_the_search():
    rng = np.random.default_rng(0)
    cases = [([], [])]
    for size in (1, 2, 5, 30, 30, 200):
        # Few values, so that there are ties.
        costs, qualities = rng.integers(0, 12, (2, size)).tolist()
        cases.append((costs, qualities))
    found = _run_in_node(f"{json.dumps(cases)}.map(([c, q]) => frontOf(c, q))")
    expected = [
        pareto.front([pareto.Point(q, (c,)) for c, q in zip(*case)])
        for case in cases
    ]
    assert found == expected


def test_ticks_are_round_numbers_inside_their_range():
    found = _run_in_node(
        "[linearTicks(0.941, 0.967, 6), linearTicks(33e3, 325e3, 6),"
        " linearTicks(-0.1, 2.1, 3), logTicks(1e3, 1e6, 6),"
        " logTicks(9e7, 6e9, 6), logTicks(100e6, 140e6, 4)]"
    )
    assert found == [
        [0.945, 0.95, 0.955, 0.96, 0.965],
        [50_000, 100_000, 150_000, 200_000, 250_000, 300_000],
        [0, 1, 2],
        [10**3, 10**4, 10**5, 10**6],
        [10**8, 2 * 10**8, 5 * 10**8, 10**9, 2 * 10**9, 5 * 10**9],
        [10**8, 11 * 10**7, 12 * 10**7, 13 * 10**7, 14 * 10**7],
    ]


def test_a_scale_maps_its_values_inside_its_pixels():
    linear, log, single = _run_in_node(
        "[[[100, 200, 300], false], [[100, 1000, 10000], true], [[5], false]]"
        ".map(([v, isLog]) => v.map(makeScale(v, 0, 110, isLog, 5)))"
    )
    # With 5 % of the range beside either end.
    np.testing.assert_allclose(linear, [5, 55, 105])
    np.testing.assert_allclose(log, [5, 55, 105])
    np.testing.assert_allclose(single, [55])


def test_values_are_written_for_people():
    found = _run_in_node(
        "[[null, 'text', 1234567, 0.95, 1234.5678].map(formatValue),"
        " [950, 1500, 2.5e6, 12e9, 0.945].map(formatTick),"
        " [null, 1, 0.4].map(formatChoice)]"
    )
    assert found == [
        ["–", "text", "1,234,567", "0.9500", "1,234.6"],
        ["950", "1.5k", "2.5M", "12G", "0.945"],
        ["–", "1", "0.4"],
    ]
