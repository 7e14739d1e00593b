"""Each benchmark as a command, in a tiny setting."""

import json
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from ofa_aec_tf.families.cnn10.family import Cnn10Family
from ofa_aec_tf.nas import report
from ofa_aec_tf.nas.objectives import Objectives
from ofa_aec_tf.nas.study import Trial
from ofa_aec_tf.training.subnet_sampler import SubnetSampler
from tests import commands
from tests.benchmarks import hand_count
from tests.nas.small_supernet import save_supernet
from tests.synthetic_data import write_dataset

_BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"
_BATCH = 2
_NUM_WARMUP_STEPS = 2

# The keys of the line that a peer prints, in its order.
_PEER_KEYS = [
    "engine",
    "what",
    "dtype",
    "batch",
    "frames",
    "seconds_median",
    "seconds_min",
    "clips_per_second",
]
_ROOFLINE_KEYS = [
    "useful_gflops_per_second",
    "matmul_peak_gflops_per_second",
    "roofline_fraction",
]


def _run(name, run=commands.run, **flags):
    words = [f"--{flag}={value}" for flag, value in flags.items()]
    return run(_BENCHMARKS / f"{name}.py", *words)


def _result(name, **flags):
    """Lines before the last one, and the JSON object of that."""
    result = _run(name, frames=hand_count.FRAMES, steps=1, **flags)
    assert result.returncode == 0, result.stderr
    *lines, last = result.stdout.splitlines()
    return lines, json.loads(last)


def _network_result(name, dtype="float32", **flags):
    """The JSON object of a network's benchmark, checked in its form."""
    lines, values = _result(
        name,
        what=name,
        dtype=dtype,
        batch=_BATCH,
        channels=",".join(map(str, hand_count.CHANNELS)),
        matmul_sizes="64",
        **flags,
    )
    keys = [*_PEER_KEYS, *_ROOFLINE_KEYS, "peak_rss_mib"]
    assert list(values)[: len(keys)] == keys
    assert values["engine"].startswith("ofa_aec_tf ")
    assert values["what"] == name
    assert values["dtype"] == dtype
    assert (values["batch"], values["frames"]) == (_BATCH, hand_count.FRAMES)
    # A single step was timed.
    assert values["seconds_median"] == values["seconds_min"] > 0
    useful, peak, fraction = (values[key] for key in _ROOFLINE_KEYS)
    assert fraction == pytest.approx(useful / peak)
    assert lines[-1].startswith("roofline: ")
    assert lines[-1].endswith(f" %), {dtype}")
    return values


def _macs(values, num_clips=_BATCH):
    """The MACs of a clip that the useful work stands for."""
    operations = 1e9 * (
        values["useful_gflops_per_second"] * values["seconds_median"]
    )
    return operations / (2 * num_clips)


def test_teacher_forward():
    values = _network_result("teacher_forward")
    assert _macs(values) == pytest.approx(hand_count.LARGEST_MACS)
    assert values["clips_per_second"] == pytest.approx(
        _BATCH / values["seconds_median"]
    )


def test_teacher_train():
    values = _network_result("teacher_train", "bfloat16")
    assert _macs(values) == pytest.approx(3 * hand_count.LARGEST_MACS)


def test_algorithm_and_compiler_can_be_chosen():
    values = _network_result(
        "teacher_forward", convolution="winograd", xla=True
    )
    assert values["convolution"] == "winograd"


@pytest.mark.parametrize("execution", ["slice", "mask"])
def test_supernet_step_counts_the_subnets_that_it_drew(execution):
    seed, num_subnets = 7, 3
    values = _network_result(
        "supernet_step", seed=seed, subnets=num_subnets, execution=execution
    )
    space = Cnn10Family(527, channels=hand_count.CHANNELS).search_space()
    sampler = SubnetSampler(space, num_subnets, "uniform", 0, seed)
    rows, _ = sampler.sample(tf.constant(_NUM_WARMUP_STEPS))
    bodies = 0
    for row in rows.numpy():
        subnet = space.from_indices(row)
        # Half up, as the paper's sizes need it.
        filters = [
            (int(subnet[f"block{block}_width"] * channels + 0.5),) * 2
            for block, channels in enumerate(hand_count.CHANNELS[1:], start=2)
        ]
        filters[-1] = filters[-1][: subnet["block4_depth"]]
        bodies += (
            hand_count.network_macs(((4, 4), *filters)) - hand_count.STEM_MACS
        )
    assert _macs(values) == pytest.approx(
        hand_count.LARGEST_MACS + 3 * (hand_count.STEM_MACS + bodies)
    )
    assert (values["subnets"], values["execution"]) == (num_subnets, execution)


def test_candidate_evaluation_counts_calibration_and_validation():
    values = _network_result(
        "candidate_evaluation", num_calibration_clips=3, num_validation_clips=5
    )
    assert values["clips_per_second"] == pytest.approx(
        8 / values["seconds_median"]
    )
    smallest = hand_count.network_macs(((4, 4), (2, 2), (3, 3), (4,)))
    assert smallest <= round(_macs(values, 8)) <= hand_count.LARGEST_MACS


def test_search_front_counts_all_subnets_and_single_ones(tmp_path):
    dataset, _ = write_dataset(tmp_path)
    save_supernet(tmp_path / "supernet.keras", dataset)
    result = _run(
        "search_front",
        supernet=tmp_path / "supernet.keras",
        data_dir=tmp_path,
        num_single=2,
        num_calibration_clips=8,
        batch_size=4,
    )
    assert result.returncode == 0, result.stderr
    values = json.loads(result.stdout.splitlines()[-1])
    assert (values["num_subnets"], values["num_single"]) == (8, 2)
    assert values["num_calibration_clips"] == 8
    assert values["ratio"] == pytest.approx(
        values["front_seconds"] / values["single_seconds"]
    )
    assert values["front_seconds"] == pytest.approx(
        8 * values["seconds_a_subnet"]
    )


def test_search_methods_have_the_same_evaluations(tmp_path):
    dataset, _ = write_dataset(tmp_path)
    supernet = save_supernet(tmp_path / "supernet.keras", dataset)
    space = supernet.family.search_space()
    rng = np.random.default_rng(0)
    trials = []
    for subnet in space.enumerate():
        costs = supernet.family.complexity(subnet, 101).to_json()
        trials.append(Trial(subnet, costs, {"mAP": rng.random()}))

    def compare(trials):
        table = report.trials_table(trials, (), space, Objectives())
        (tmp_path / report.TRIALS_TABLE).write_text(table, encoding="utf-8")
        return _run(
            "search_methods",
            supernet=tmp_path / "supernet.keras",
            search=tmp_path,
            share=0.5,
            population=2,
            num_seeds=2,
        )

    result = compare(trials)
    assert result.returncode == 0, result.stderr
    values = json.loads(result.stdout.splitlines()[-1])
    assert (values["num_subnets"], values["num_evaluations"]) == (8, 4)
    methods = values["methods"]
    assert methods.pop("exhaustive") == {
        "evaluations_max": 8,
        "hypervolume_share_min": pytest.approx(1),
        "hypervolume_share_mean": pytest.approx(1),
        "mAP_share_min": 1,
        "mAP_share_mean": 1,
    }
    assert {"random", "nsga2"} < set(methods)
    for shares in methods.values():
        assert shares["evaluations_max"] <= 4
        for name in ("hypervolume", "mAP"):
            least, mean = (shares[f"{name}_share_{x}"] for x in ("min", "mean"))
            assert 0 < least <= mean <= 1
    result = compare(trials[1:])
    assert result.returncode == 2
    assert "table of all subnets" in result.stderr.splitlines()[-1]


def test_tflite_latency_has_a_row_for_each_mode():
    _, values = _result(
        "tflite_latency",
        subnet="smallest",
        channels=",".join(map(str, hand_count.CHANNELS)),
        modes="float32,int8",
    )
    assert values["subnet"]["block4_depth"] == 1
    assert values["macs"] == hand_count.network_macs(
        ((4, 4), (2, 2), (3, 3), (4,))
    )
    rows = {row["mode"]: row for row in values["rows"]}
    assert list(rows) == ["float32", "int8"]
    assert all(row["latency_ms_median"] > 0 for row in rows.values())
    # Four bytes a weight against one, and what a file has besides.
    dense = 4 * 512 + 512 * 527
    assert 4 * dense < rows["float32"]["num_bytes"] < 4 * dense + 2**16
    assert dense < rows["int8"]["num_bytes"] < dense + 2**16


def test_input_pipeline_measures_each_way_of_reading():
    _, values = _result(
        "input_pipeline", batch=4, num_clips=6, batches_per_step=3
    )
    assert list(values)[: len(_PEER_KEYS)] == _PEER_KEYS
    assert values["cores"] == 1
    ways = ("without_augmentation", "class_balanced", "in_order")
    for speeds in (values, *(values[way] for way in ways)):
        assert speeds["clips_per_second"] == pytest.approx(
            4 / speeds["seconds_median"]
        )


def test_reading_in_order_needs_a_whole_batch():
    result = _run("input_pipeline", frames=5, batch=4, num_clips=3)
    assert result.returncode == 2
    assert "--num_clips must be at least --batch" in result.stderr


def test_more_cores_than_there_are():
    num_cores = len(os.sched_getaffinity(0))
    result = _run("input_pipeline", cores=num_cores + 1)
    assert result.returncode == 2
    assert f"may run on {num_cores} cores" in result.stderr


@pytest.mark.long
def test_peak_memory_compares_with_the_first():
    lines, values = _result(
        "peak_memory",
        batch=_BATCH,
        channels=",".join(map(str, hand_count.CHANNELS)),
        subnets="1,2",
    )
    first, second = values["rows"]
    assert (first["subnets"], second["subnets"]) == (1, 2)
    assert first["ratio"] == 1
    assert second["ratio"] == pytest.approx(
        second["peak_rss_mib"] / first["peak_rss_mib"]
    )
    assert len(lines) == 2


def test_a_benchmark_that_a_user_starts_ends_in_one_line():
    result = _run("supernet_step", commands.run_afresh, execution="other")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"what": "teacher_train"}, "--what"),
        ({"channels": "4,x"}, "`--channels`"),
        ({"frames": 5}, "num_frames=5"),
    ],
)
def test_wrong_flags_end_a_benchmark_in_one_line(flags, reason):
    result = _run("teacher_forward", **flags)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert reason in line


def test_more_subnets_than_the_space_has():
    result = _run("candidate_evaluation", steps=127)
    assert result.returncode == 2
    assert "has 128 subnets" in result.stderr


def test_convolution_compares_the_algorithms():
    result = _run(
        "convolution",
        dtype="bfloat16",
        batch=1,
        steps=1,
        sizes="9x5x3x4,4x4x2x2",
    )
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout.splitlines()[-1])["rows"]
    assert [row["size"] for row in rows] == ["9x5x3x4", "4x4x2x2"]
    for row in rows:
        for name in ("direct", "winograd"):
            assert 0 < row[name]["forward_ms"]
            assert len(row[name]["relative_errors"]) == 3
            # Not exact, since bfloat16 is compared with float32.
            assert all(1e-4 < e < 0.05 for e in row[name]["relative_errors"])


def test_batch_normalization_compares_layer_and_operation():
    result = _run(
        "batch_normalization",
        dtype="bfloat16",
        batch=1,
        steps=1,
        sizes="9x5x3,4x4x16",
    )
    assert result.returncode == 0, result.stderr
    rows = json.loads(result.stdout.splitlines()[-1])["rows"]
    assert [row["size"] for row in rows] == ["9x5x3", "4x4x16"]
    for row in rows:
        assert 0 < row["operation_ms"]
        assert 0 < row["layer_ms"]


@pytest.mark.parametrize(
    ("script", "size", "num_parts"),
    [("convolution", "9x5x3", 4), ("batch_normalization", "9x0x3", 3)],
)
def test_a_size_that_is_none_is_refused(script, size, num_parts):
    result = _run(script, sizes=size)
    assert result.returncode == 2
    line = result.stderr.splitlines()[-1]
    assert f"sizes of {num_parts} positive integers" in line
    assert repr(size) in line
