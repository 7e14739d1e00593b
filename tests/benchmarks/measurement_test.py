"""What benchmarks share, without TensorFlow."""

import subprocess
import sys
import time

import measurement
import pytest


def test_the_median_of_an_even_number_is_the_upper_one():
    # As the peer takes it, so that both report the same statistic.
    values = measurement.summary([4.0, 1.0, 3.0, 2.0], num_clips=6)
    assert values == {
        "seconds_median": 3.0,
        "seconds_min": 1.0,
        "clips_per_second": 2.0,
    }


def test_steps_that_warm_up_are_not_timed():
    calls = []

    def step():
        calls.append(None)
        time.sleep(0.2 if len(calls) <= 2 else 0.0)

    seconds = measurement.time_steps(step, 3, num_warmup_steps=2)
    assert len(calls) == 5
    assert len(seconds) == 3
    assert max(seconds) < 0.2


def test_peak_memory_is_that_of_the_process_and_not_of_its_parent():
    program = (
        "import measurement\n"
        "print(measurement.peak_rss_mib())\n"
        "block = b'x' * (256 * 2**20)\n"
        "del block\n"
        "print(measurement.peak_rss_mib())\n"
    )
    ballast = b"x" * (400 * 2**20)
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=measurement.__file__.rpartition("/")[0],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(ballast) == 400 * 2**20
    before, after = (float(line) for line in result.stdout.split())
    assert before < 200
    assert after - before == pytest.approx(256, abs=16)


@pytest.mark.parametrize("driver", ["compare", "peak_memory"])
def test_drivers_need_no_tensorflow(driver):
    program = f"import sys, {driver}; sys.exit('tensorflow' in sys.modules)"
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=measurement.__file__.rpartition("/")[0],
        check=True,
    )
