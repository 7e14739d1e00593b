"""A search that is killed again and again ends as one that was not."""

import time

import numpy as np
import pytest

from ofa_aec_tf.data.dataset_info import DatasetInfo
from tests import commands
from tests.nas.small_supernet import save_supernet
from tests.synthetic_data import write_dataset

_NUM_KILLS = 10
_OUTPUTS = ("pareto.json", "trials.csv", "pareto.png")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("data")
    write_dataset(data_dir)
    path = tmp_path_factory.mktemp("supernet") / "supernet.keras"
    save_supernet(path, DatasetInfo.read(data_dir))
    return [
        f"--data_dir={data_dir}",
        f"--supernet={path}",
        "--num_calibration_clips=16",
        "--batch_size=4",
        "--budget=any:parameters<=1M",
    ]


@pytest.mark.long
@pytest.mark.parametrize("method", ["exhaustive", "nsga2"])
def test_ten_kills_change_nothing(inputs, tmp_path, method):
    arguments = [*inputs, f"--method={method}", "--population=4"]
    whole = commands.run(
        "ofa_aec_tf.search", *arguments, f"--workdir={tmp_path / 'whole'}"
    )
    assert whole.returncode == 0, whole.stderr
    arguments.append(f"--workdir={tmp_path / 'killed'}")
    rng = np.random.default_rng(0)
    num_killed = 0
    for _ in range(_NUM_KILLS):
        process = commands.start(tmp_path, "ofa_aec_tf.search", *arguments)
        # From before it looks at its trials to after it has written results.
        process.join(rng.uniform(0.5, 5))
        num_killed += process.is_alive()
        process.kill()
        process.join()
    # On a fast machine later ones find everything done, and end by themselves.
    assert num_killed >= 3
    last = commands.run("ofa_aec_tf.search", *arguments)
    assert last.returncode == 0, last.stderr
    for name in _OUTPUTS:
        assert (tmp_path / "killed" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes()


@pytest.mark.slow
def test_two_processes_share_a_search(inputs, tmp_path):
    arguments = [*inputs, f"--workdir={tmp_path / 'run'}"]
    outputs = [tmp_path / name for name in ("first", "second")]
    processes = []
    for output_dir in outputs:
        output_dir.mkdir()
        processes.append(
            commands.start(output_dir, "ofa_aec_tf.search", *arguments)
        )
        time.sleep(0.2)
    for process, output_dir in zip(processes, outputs):
        process.join(120)
        assert process.exitcode == 0, (output_dir / "stderr").read_text()
    rows = (tmp_path / "run" / "trials.csv").read_text().splitlines()
    assert len(rows) == 1 + 8
    printed = [(directory / "stdout").read_text() for directory in outputs]
    assert printed[0] == printed[1]
