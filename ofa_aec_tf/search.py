r"""Command: finds the best subnet of a supernet for each device budget.

python -m ofa_aec_tf.search --supernet=runs/ofa/supernet.keras \
    --data_dir=data --workdir=runs/search --budget='phone:parameters<=1M'
"""

import contextlib
import pathlib

import numpy as np
from absl import flags
from absl import logging

from ofa_aec_tf.command_flags import calibration_flags
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.data import input_pipeline
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.evaluation import metrics
from ofa_aec_tf.evaluation import staged_evaluation
from ofa_aec_tf.families.networks import load_supernet
from ofa_aec_tf.nas import accuracy_predictor
from ofa_aec_tf.nas import budgets
from ofa_aec_tf.nas import candidates
from ofa_aec_tf.nas import objectives
from ofa_aec_tf.nas import report
from ofa_aec_tf.nas import search_costs
from ofa_aec_tf.nas import search_evaluation
from ofa_aec_tf.nas import search_methods
from ofa_aec_tf.nas import search_results
from ofa_aec_tf.nas import study
from ofa_aec_tf.nas import subnet_evaluator
from ofa_aec_tf.nas import subnet_search
from ofa_aec_tf.runs import machine
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir

_SPLIT = "validation"

_SUPERNET = path_flags.define_path(
    "supernet", None, "The `supernet.keras` to search in.", required=True
)
_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_WORKDIR = path_flags.define_path(
    "workdir",
    None,
    "Where the search keeps its trials and results, and resumes.",
    required=True,
)
_METHOD = flags.DEFINE_enum(
    "method",
    search_methods.AUTO,
    [search_methods.AUTO, *search_methods.METHODS],
    "Which subnets to evaluate: all that keep a budget (exhaustive); a random "
    "population for each (random, the paper's); what NSGA-II (nsga2), "
    "tree-structured Parzen estimators (tpe) or a predictor that learns from "
    "those before (predictor) ask for. By default all where they are no more "
    "than --max_evaluations, else nsga2.",
)
_OBJECTIVE = flags.DEFINE_list(
    "objective",
    ["mAP", "parameters", "macs"],
    "What the Pareto front is about: mAP and int8_mAP (each subnet is really "
    "quantized, which takes seconds), of which the first chooses the subnet "
    f"of a budget, and costs of {', '.join(budgets.ALL_COST_NAMES)}.",
)
_BUDGET = flags.DEFINE_multi_string(
    "budget",
    [],
    "A device, such as `phone:parameters<=1M,macs<=2.5G`, "
    "`app:int8_file_bytes<=500k` or `paper:parameters=0.9M+-0.1M`; may be "
    "repeated. Without any, the whole space is searched.",
)
_POPULATION = flags.DEFINE_integer(
    "population",
    25,
    "Subnets a budget with --method=random or in each round of predictor, or "
    "of a generation with nsga2.",
    lower_bound=1,
)
_MAX_EVALUATIONS = flags.DEFINE_integer(
    "max_evaluations",
    512,
    "Subnets that nsga2, tpe and predictor evaluate; the others have no limit.",
    lower_bound=1,
)
_STORAGE = flags.DEFINE_string(
    "storage",
    None,
    "Database of the trials, which several processes may share: a URL that "
    f"Optuna knows, or `{study.JOURNAL_PREFIX}` and the path of a file. By "
    "default SQLite in --workdir.",
)
_RETRY_FAILED = flags.DEFINE_bool(
    "retry_failed", False, "Evaluate again what failed in earlier runs."
)
_CALIBRATION = flags.DEFINE_enum(
    "calibration",
    subnet_evaluator.OWN,
    subnet_evaluator.CALIBRATIONS,
    "Batch normalization statistics: estimated for each subnet, or those of "
    "the largest subnet for all, which shows what the first is worth.",
)
_CACHE_GIB = flags.DEFINE_float(
    "cache_gib",
    None,
    "Memory for activations that subnets share, which saves computing them "
    "again. By default half of what is free.",
    lower_bound=0,
)
_NUM_CALIBRATION_CLIPS, _BATCH_SIZE, _SEED = (
    calibration_flags.define_calibration(
        seed_help="Seed of the populations and of the calibration clips."
    )
)


def _load_split(dataset, split, **options):
    log_mel, labels, _ = input_pipeline.load_split(
        _DATA_DIR.value,
        dataset,
        split,
        skip_corrupt=_SKIP_CORRUPT.value,
        **options,
    )
    return log_mel, labels


def _subnet_evaluator(supernet, dataset, log_mel, labels, wanted):
    """Function from a subnet to its metrics on these clips."""
    calibration_clips, _ = _load_split(
        dataset,
        "train",
        max_clips=_NUM_CALIBRATION_CLIPS.value,
        seed=_SEED.value,
    )
    arguments = (
        supernet,
        calibration_clips,
        log_mel,
        labels,
        dataset.class_map,
        dataset.label_type,
        _BATCH_SIZE.value,
    )
    evaluate = subnet_evaluator.make_subnet_evaluator(
        *arguments, _cache_bytes(), _CALIBRATION.value
    )
    if objectives.INT8_QUALITY not in wanted.qualities:
        return evaluate
    evaluate_int8 = search_evaluation.make_int8_evaluator(
        *arguments, _CALIBRATION.value
    )
    return lambda subnet: {
        **evaluate(subnet),
        objectives.INT8_QUALITY: evaluate_int8(subnet),
    }


def _cache_bytes():
    if _CACHE_GIB.value is None:
        return machine.available_memory_bytes() // 2
    return int(_CACHE_GIB.value * 2**30)


def _print_summary(results, notes):
    print(
        f"{results['num_trials']} subnets evaluated, "
        f"{results['num_failed']} failed, {len(results['front'])} on the "
        f"Pareto front ({results['split']} split, {results['num_clips']} clips)"
    )
    for note in notes:
        print(note)
    for budget in results["budgets"]:
        chosen = budget["chosen"]
        if chosen is None:
            print(
                f"{budget['name']}: no subnet of it was evaluated with success"
            )
            continue
        costs = chosen["costs"]
        print(
            f"{budget['name']}: {results['objective']} "
            f"{chosen['metrics'][results['objective']]:.4f}, "
            f"{costs['parameters']:,} parameters, "
            f"{costs['macs'] / 1e9:.3f} GMAC, "
            f"{search_costs.latency_text(chosen, results.get('latency'))}"
            f"{chosen['subnet']}"
        )


def _print_feasibility(wanted, pools, num_candidates, complete):
    for budget, pool in zip(wanted, pools):
        of = "subnets" if complete else "subnets drawn from a large space"
        print(
            f"{budget.name}: {len(pool):,} of {num_candidates:,} {of} keep "
            f"{budget.text}"
        )


def main(unused_arguments):
    """Runs the command."""
    known_costs = search_costs.known_costs()
    wanted = budgets.parse_budgets(
        _BUDGET.value, has_latency=budgets.LATENCY in known_costs
    )
    front = objectives.parse_objectives(_OBJECTIVE.value, known_costs)
    dataset = DatasetInfo.read(_DATA_DIR.value)
    model_info = ModelInfo.read(_SUPERNET.value)
    model_info.check_matches(dataset)
    supernet = load_supernet(_SUPERNET.value)
    space = supernet.family.search_space()
    costs_of = search_costs.SearchCosts(
        supernet.family,
        dataset,
        budgets.cost_names(wanted) | set(front.costs),
    )
    # Not method and budgets: a later run may add some, and keeps the trials.
    identity = {
        "supernet_digest": workdir.file_digest(_SUPERNET.value),
        "data_fingerprint": dataset.fingerprint,
        "num_calibration_clips": _NUM_CALIBRATION_CLIPS.value,
        "calibration": _CALIBRATION.value,
        "statistics": batch_norm_calibration.DEFINITION,
        "seed": _SEED.value,
        "skip_corrupt": _SKIP_CORRUPT.value,
        "qualities": sorted(front.qualities),
    }
    # Before anything is measured for nothing.
    search_results.check_writable(_WORKDIR.value)
    run_record.check_run(_WORKDIR.value, identity)
    rng = np.random.default_rng(_SEED.value)
    listed, complete = candidates.list_candidates(space, costs_of, rng)
    if not complete:
        listed = candidates.add_within_budgets(
            listed, space, costs_of, wanted, rng
        )
    listed = costs_of.measure_latencies(
        _WORKDIR.value, listed, complete, wanted
    )
    if not complete and budgets.LATENCY in budgets.cost_names(wanted):
        # Now that latencies are known.
        listed = candidates.add_within_budgets(
            listed, space, costs_of, wanted, rng
        )
    pools = search_methods.feasible_pools(listed, complete, wanted)
    method = search_methods.resolve_method(
        _METHOD.value, pools, complete, _MAX_EVALUATIONS.value
    )
    _print_feasibility(wanted, pools, len(listed), complete)
    storage = study.open_storage(_STORAGE.value, _WORKDIR.value)
    run_record.start_run(
        _WORKDIR.value,
        identity,
        study.without_password(flagfiles.recorded()),
    )
    with study.storage_errors():
        shared = study.SearchStudy(storage, space, identity)
        if _RETRY_FAILED.value:
            shared.forget_failures()
        log_mel, labels = _load_split(dataset, _SPLIT)
        coverage = metrics.coverage(
            labels.sum(axis=0).astype(int).tolist(),
            len(labels),
            dataset.class_map.names,
        )
        notes = metrics.coverage_notes(coverage, _SPLIT)
        for note in notes:
            logging.warning("%s", note)
        results = search_results.SearchResults(
            _WORKDIR.value,
            wanted,
            space,
            front,
            (listed, complete),
            _SPLIT,
            coverage,
            costs_of,
            {"method": method, "identity": identity},
            f"Subnets of {_SUPERNET.value} on {len(labels)} {_SPLIT} clips",
        )
        try:
            trials = subnet_search.run_search(
                shared,
                search_methods.make_batches(
                    method,
                    space,
                    costs_of,
                    wanted,
                    front,
                    pools,
                    _POPULATION.value,
                    _MAX_EVALUATIONS.value,
                    _SEED.value,
                ),
                _subnet_evaluator(supernet, dataset, log_mel, labels, front),
                # One after the other as they share most; the trials are the
                # same.
                order=staged_evaluation.stage_order(supernet),
                recoverable_errors=subnet_evaluator.RECOVERABLE_ERRORS,
                on_trial=lambda: results.write_now_and_then(shared),
            )
        except BaseException:
            # Whatever ends it, interruptions too: what is finished counts.
            with contextlib.suppress(OSError, ValueError):
                results.write_unfinished(shared.trials())
            raise
    further = {}
    if method == search_methods.PREDICTOR:
        further["predictor"] = _rank_correlation(space, front, trials)
    written = results.write(trials, further)
    _print_summary(written, notes)
    print(f"wrote {pathlib.Path(_WORKDIR.value) / report.PARETO_REPORT}")


def _rank_correlation(space, front, trials):
    """How well the predictor ranks trials that it was not fitted to."""
    predictor = accuracy_predictor.AccuracyPredictor(space, front.quality)
    try:
        return predictor.fit(trials).held_out_rank_correlation(seed=_SEED.value)
    except ValueError as error:
        # Too few trials: no reason to lose them.
        logging.warning("No rank correlation of the predictor: %s", error)
        return None


if __name__ == "__main__":
    command_line.run(main)
