r"""Command: finds the best subnet of a supernet for each device budget.

python -m ofa_aec_tf.search --supernet=runs/ofa/supernet.keras \
    --data_dir=data --workdir=runs/search --budget='phone:parameters<=1M'
"""

import dataclasses
import pathlib

import numpy as np
from absl import flags

from ofa_aec_tf import command_line
from ofa_aec_tf import latency_table
from ofa_aec_tf import machine
from ofa_aec_tf import quiet_tensorflow  # noqa: F401
from ofa_aec_tf import run_record
from ofa_aec_tf import workdir
from ofa_aec_tf.complexity import FILE_SIZE_NAMES
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data import reading_flags
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.deployment.file_sizes import FileSizes
from ofa_aec_tf.evaluation import staged_evaluation
from ofa_aec_tf.models.supernet import load_supernet
from ofa_aec_tf.nas import budgets
from ofa_aec_tf.nas import candidates
from ofa_aec_tf.nas import latency_model
from ofa_aec_tf.nas import plot
from ofa_aec_tf.nas import report
from ofa_aec_tf.nas import subnet_evaluator
from ofa_aec_tf.nas import subnet_search
from ofa_aec_tf.nas.study import SearchStudy

_SPLIT = "validation"

_SUPERNET = flags.DEFINE_string(
    "supernet", None, "The `supernet.keras` to search in.", required=True
)
_DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Where the search keeps its trials and results, and resumes.",
    required=True,
)
_METHOD = flags.DEFINE_enum(
    "method",
    subnet_search.EXHAUSTIVE,
    subnet_search.METHODS,
    "Evaluate every subnet that keeps a budget, or for each budget a random "
    "population of them.",
)
_BUDGET = flags.DEFINE_multi_string(
    "budget",
    [],
    "A device, such as `phone:parameters<=1M,macs<=2.5G`, "
    "`app:int8_file_bytes<=500k` or `paper:parameters=0.9M+-0.1M`; may be "
    "repeated. Without any, the whole space is searched.",
)
_LATENCY_TABLE = flags.DEFINE_string(
    "latency_table",
    None,
    "What ofa_aec_tf.benchmark measured on a device, for budgets such as "
    "`phone:latency_ms<=20`. Subnets that are not in it are predicted.",
)
_LATENCY_MODE = flags.DEFINE_string(
    "latency_mode",
    None,
    "Quantization mode of the latencies, where the table has several.",
)
_LATENCY_THREADS = flags.DEFINE_integer(
    "latency_threads",
    None,
    "Threads of the latencies, where the table has several numbers.",
    lower_bound=1,
)
_POPULATION = flags.DEFINE_integer(
    "population", 25, "Subnets a budget with --method=random.", lower_bound=1
)
_NUM_CALIBRATION_CLIPS = flags.DEFINE_integer(
    "num_calibration_clips",
    256,
    "Training clips that estimate a subnet's batch normalization.",
    lower_bound=1,
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 32, "Clips a step.", lower_bound=1
)
_CACHE_GIB = flags.DEFINE_float(
    "cache_gib",
    None,
    "Memory for activations that subnets share, which saves computing them "
    "again. By default half of what is free.",
    lower_bound=0,
)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the populations and of the calibration clips."
)


def _subnet_evaluator(supernet, dataset):
    calibration_clips, _, _ = input_pipeline.load_split(
        _DATA_DIR.value,
        dataset,
        "train",
        max_clips=_NUM_CALIBRATION_CLIPS.value,
        seed=_SEED.value,
        skip_corrupt=_SKIP_CORRUPT.value,
    )
    log_mel, labels, _ = input_pipeline.load_split(
        _DATA_DIR.value, dataset, _SPLIT, skip_corrupt=_SKIP_CORRUPT.value
    )
    return subnet_evaluator.make_subnet_evaluator(
        supernet,
        calibration_clips,
        log_mel,
        labels,
        dataset.class_map,
        dataset.label_type,
        _BATCH_SIZE.value,
        _cache_bytes(),
    )


def _cache_bytes():
    if _CACHE_GIB.value is None:
        return machine.available_memory_bytes() // 2
    return int(_CACHE_GIB.value * 2**30)


def _latency_model(supernet, num_frames):
    """What predicts latencies, or None without a table."""
    if _LATENCY_TABLE.value is None:
        return None
    family = supernet.family
    return latency_model.LatencyModel.from_table(
        latency_table.read(_LATENCY_TABLE.value),
        family.search_space(),
        {"name": family.name, **family.to_json()},
        num_frames,
        _LATENCY_MODE.value,
        _LATENCY_THREADS.value,
    )


def _file_sizes(family, dataset, wanted):
    """What knows the sizes of files, or None where no budget is about them."""
    # To find them out takes seconds for each structure of subnets.
    if budgets.cost_names(wanted).isdisjoint(FILE_SIZE_NAMES):
        return None
    return FileSizes(
        family,
        dataset.frontend,
        dataset.clip_seconds,
        dataset.class_map.names,
    )


def _costs_function(family, num_frames, file_sizes, latencies):
    """Function from a subnet to its costs by name."""

    def costs_of(subnet):
        costs = family.complexity(subnet, num_frames).to_json()
        if file_sizes is not None:
            costs.update(file_sizes.costs(subnet))
        if latencies is not None:
            costs[budgets.LATENCY] = latencies.latency_ms(subnet, costs["macs"])
        return costs

    return costs_of


def _add_latencies(results, latencies, space):
    """Says in the report what the latencies of the budgets rest on."""
    results["latency"] = latencies.to_json()
    for budget in results["budgets"]:
        if budget["chosen"] is not None:
            subnet = space.subnet(budget["chosen"]["subnet"])
            budget["chosen"]["latency_is_measured"] = latencies.is_measured(
                subnet
            )


def _latency_text(chosen, latency):
    """A chosen subnet's latency and whence it is known; empty without."""
    if latency is None:
        return ""
    source = (
        "measured"
        if chosen["latency_is_measured"]
        else f"predicted, {latency['max_relative_error']:.0%} off at the most "
        f"for the {len(latency['measured_subnets'])} measured"
    )
    latency_ms = chosen["costs"][budgets.LATENCY]
    return f"{latency_ms:.2f} ms on {latency['device']} ({source}), "


def _print_summary(results):
    print(
        f"{results['num_trials']} subnets evaluated, "
        f"{results['num_failed']} failed, {len(results['front'])} on the "
        f"Pareto front ({results['split']} split)"
    )
    for budget in results["budgets"]:
        chosen = budget["chosen"]
        if chosen is None:
            print(f"{budget['name']}: every evaluation failed")
            continue
        costs = chosen["costs"]
        print(
            f"{budget['name']}: mAP {chosen['metrics']['mAP']:.4f}, "
            f"{costs['parameters']:,} parameters, "
            f"{costs['macs'] / 1e9:.3f} GMAC, "
            f"{_latency_text(chosen, results.get('latency'))}"
            f"{chosen['subnet']}"
        )


def main(unused_arguments):
    """Runs the command."""
    wanted = budgets.parse_budgets(
        _BUDGET.value, has_latency=_LATENCY_TABLE.value is not None
    )
    dataset = DatasetInfo.read(_DATA_DIR.value)
    model_info = ModelInfo.read(_SUPERNET.value)
    model_info.check_matches(dataset)
    supernet = load_supernet(_SUPERNET.value)
    space = supernet.family.search_space()
    rng = np.random.default_rng(_SEED.value)
    latencies = _latency_model(supernet, dataset.num_frames)
    costs_of = _costs_function(
        supernet.family,
        dataset.num_frames,
        _file_sizes(supernet.family, dataset, wanted),
        latencies,
    )
    listed, complete = candidates.list_candidates(space, costs_of, rng)
    planned = subnet_search.plan_evaluations(
        listed, complete, wanted, _METHOD.value, _POPULATION.value, rng
    )
    # Not method and budgets: a later run may add some, and keeps the trials.
    identity = {
        "supernet_digest": workdir.file_digest(_SUPERNET.value),
        "data_fingerprint": dataset.fingerprint,
        "num_calibration_clips": _NUM_CALIBRATION_CLIPS.value,
        "batch_size": _BATCH_SIZE.value,
        "seed": _SEED.value,
        "skip_corrupt": _SKIP_CORRUPT.value,
    }
    run_record.start_run(
        _WORKDIR.value, identity, flags.FLAGS.flags_into_string()
    )
    # One after the other as they share most; the trials are the same.
    order = staged_evaluation.stage_order(supernet)
    planned.sort(key=lambda candidate: order(candidate.subnet))
    study = SearchStudy(_WORKDIR.value, space, identity)
    trials = subnet_search.evaluate_candidates(
        study,
        planned,
        _subnet_evaluator(supernet, dataset),
        recoverable_errors=subnet_evaluator.RECOVERABLE_ERRORS,
    )
    # Earlier runs may have had another latency table, or none.
    trials = [
        dataclasses.replace(trial, costs=costs_of(trial.subnet))
        for trial in trials
    ]
    results = report.pareto_report(trials, wanted, listed, complete, _SPLIT)
    # For whoever cuts out the subnets: the same supernet, the same statistics.
    results["identity"] = identity
    if latencies is not None:
        _add_latencies(results, latencies, space)
    directory = pathlib.Path(_WORKDIR.value)
    workdir.write_text(
        directory / report.TRIALS_TABLE,
        report.trials_table(trials, wanted, space),
    )
    workdir.write_json(directory / report.PARETO_REPORT, results)
    plot.plot_search(
        directory / plot.PARETO_PLOT,
        trials,
        wanted,
        f"Subnets of {_SUPERNET.value} on "
        f"{dataset.split(_SPLIT).num_clips} {_SPLIT} clips",
    )
    _print_summary(results)
    print(f"wrote {directory / report.PARETO_REPORT}")


if __name__ == "__main__":
    command_line.run(main)
