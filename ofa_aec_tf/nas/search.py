"""Finds the best subnet of a supernet for each device budget."""

import contextlib
import dataclasses
from collections.abc import Sequence

import numpy as np
from absl import logging

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.evaluation import batch_norm_calibration
from ofa_aec_tf.evaluation import metrics
from ofa_aec_tf.evaluation import staged_evaluation
from ofa_aec_tf.evaluation.batch_norm_calibration import CalibrationSettings
from ofa_aec_tf.families.networks import load_supernet
from ofa_aec_tf.nas import accuracy_predictor
from ofa_aec_tf.nas import budgets
from ofa_aec_tf.nas import candidates
from ofa_aec_tf.nas import objectives
from ofa_aec_tf.nas import result_writer
from ofa_aec_tf.nas import search_methods
from ofa_aec_tf.nas import study
from ofa_aec_tf.nas import subnet_evaluator
from ofa_aec_tf.nas import trial_runner
from ofa_aec_tf.nas.subnet_costs import LatencySettings
from ofa_aec_tf.nas.subnet_costs import SubnetCosts
from ofa_aec_tf.runs import machine
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir

_SPLIT, _CALIBRATION_SPLIT = "validation", "train"


@dataclasses.dataclass(frozen=True)
class SearchSettings(settings.Settings):
    """What to search for, and how."""

    method: str = setting(
        search_methods.AUTO,
        "Which subnets to evaluate: all that keep a budget (exhaustive); a "
        "random population for each budget (random, as in the paper); what "
        "NSGA-II (nsga2), tree-structured Parzen estimators (tpe) or a "
        "predictor fitted to earlier trials (predictor) propose. By default, "
        "exhaustive if that takes at most --max_evaluations, else nsga2.",
        choices=(search_methods.AUTO, *search_methods.METHODS),
    )
    objective: tuple[str, ...] = setting(
        ("mAP", "parameters", "macs"),
        "The axes of the Pareto front: mAP, int8_mAP (of the quantized "
        "subnet, which takes seconds) and the costs "
        f"{', '.join(budgets.ALL_COST_NAMES)}. The first quality chooses the "
        "subnet of a budget.",
    )
    budget: tuple[str, ...] = setting(
        (),
        "A device, such as `phone:parameters<=1M,macs<=2.5G`, "
        "`app:int8_file_bytes<=500k` or `paper:parameters=0.9M+-0.1M`; may be "
        "repeated. Without any, the whole space is searched.",
        is_repeated=True,
    )
    population: int = setting(
        25,
        "Subnets for each budget with --method=random and in each round of "
        "predictor, or in a generation of nsga2.",
        at_least=1,
    )
    max_evaluations: int = setting(
        512,
        "Subnets that nsga2, tpe and predictor evaluate; the other methods "
        "have no limit.",
        at_least=1,
    )
    storage: str | None = setting(
        None,
        "Database of the trials, which several processes may share: a URL that "
        f"Optuna knows, or `{study.JOURNAL_PREFIX}` and the path of a file. By "
        "default SQLite in --workdir.",
    )
    retry_failed: bool = setting(
        False, "Evaluate subnets again that failed in earlier runs."
    )
    calibration: str = setting(
        subnet_evaluator.OWN,
        "Batch normalization statistics: each subnet's own, or those of the "
        "largest subnet for all, which shows what the first is worth.",
        choices=subnet_evaluator.CALIBRATIONS,
    )
    cache_gib: float | None = setting(
        None,
        "Memory for activations that subnets share, so that they need not be "
        "computed again. By default half of the available memory.",
        at_least=0,
    )
    calibration_clips: CalibrationSettings = CalibrationSettings()
    latency: LatencySettings = LatencySettings()

    @property
    def cache_bytes(self) -> int:
        """Memory for activations that subnets share."""
        if self.cache_gib is None:
            return machine.available_memory_bytes() // 2
        return int(self.cache_gib * 2**30)


def search(
    supernet_path,
    data,
    directory,
    config: SearchSettings,
    flags_text: str,
) -> tuple[dict, list[str]]:
    """Searches a supernet, or goes on with an earlier search.

    Args:
        supernet_path: path of the `.keras` file.
        data: PreprocessedData.
        directory: path of the working directory. Trials and results go there.
        config: SearchSettings.
        flags_text: str. The flags, as `flagfiles.recorded` has them.

    Returns:
        `(results, notes)`: dict, the content of `pareto.json`, and lines that
        readers of the metrics should know.

    Raises:
        ValueError: if a setting is wrong, no subnet keeps a budget, the
            directory holds another search, or no evaluation succeeds.
    """
    wanted = budgets.parse_budgets(config.budget, config.latency.are_known)
    front = objectives.parse_objectives(
        config.objective, config.latency.known_costs
    )
    dataset = data.info
    ModelInfo.read(supernet_path).check_matches(dataset)
    # Without method and budgets: a later run may change them and keep trials.
    identity = {
        "supernet_digest": workdir.file_digest(supernet_path),
        "data_fingerprint": dataset.fingerprint,
        "num_calibration_clips": config.calibration_clips.num_calibration_clips,
        "calibration": config.calibration,
        "statistics": batch_norm_calibration.DEFINITION,
        "seed": config.calibration_clips.seed,
        "skip_corrupt": data.skip_corrupt,
        "qualities": sorted(front.qualities),
    }
    result_writer.check_writable(directory)
    run_record.check_run(directory, identity)
    supernet = load_supernet(supernet_path)
    space = supernet.family.search_space()
    costs_of = SubnetCosts(
        supernet.family,
        dataset,
        budgets.cost_names(wanted) | set(front.costs),
        config.latency,
    )
    listed, complete = _candidates(space, costs_of, wanted, directory, config)
    pools = search_methods.feasible_pools(listed, complete, wanted)
    method = search_methods.resolve_method(
        config.method, pools, complete, config.max_evaluations
    )
    _print_feasibility(wanted, pools, len(listed), complete)
    storage = study.open_storage(config.storage, directory)
    run_record.start_run(
        directory, identity, study.without_password(flags_text)
    )
    with study.storage_errors():
        shared = study.SearchStudy(storage, space, identity)
        if config.retry_failed:
            shared.forget_failures()
        log_mel, labels = data.load_labelled(_SPLIT)
        evaluate, materialize = _evaluators(
            supernet, data, log_mel, labels, front, config
        )
        coverage = metrics.coverage(
            labels.sum(axis=0).astype(int).tolist(),
            len(labels),
            dataset.class_map.names,
        )
        notes = metrics.coverage_notes(coverage, _SPLIT)
        for note in notes:
            logging.warning("%s", note)
        writer = result_writer.ResultWriter(
            directory,
            f"Subnets of {supernet_path} on {len(labels)} {_SPLIT} clips",
            result_writer.Question(space, wanted, front, listed, complete),
            costs_of,
            materialize,
            split=_SPLIT,
            coverage=coverage,
            method=method,
            identity=identity,
        )
        try:
            trials = trial_runner.run_trials(
                shared,
                search_methods.Proposals(
                    space,
                    costs_of,
                    wanted,
                    front,
                    pools,
                    config.population,
                    config.max_evaluations,
                    config.calibration_clips.seed,
                ).batches(method),
                evaluate,
                # Subnets that share most follow each other; the trials are
                # the same in any order.
                order=staged_evaluation.stage_order(supernet),
                recoverable_errors=subnet_evaluator.RECOVERABLE_ERRORS,
                on_trial=lambda: writer.write_now_and_then(shared),
            )
            further = {}
            if method == search_methods.PREDICTOR:
                further["predictor"] = _rank_correlation(
                    space, front, trials, config.calibration_clips.seed
                )
            return writer.write(trials, further), notes
        except BaseException:
            # Interruptions too: finished trials are reported.
            with contextlib.suppress(OSError, ValueError):
                writer.write_unfinished(shared.trials())
            raise


def _candidates(space, costs_of, wanted, directory, config):
    """The candidates, with all costs, and whether they are the whole space."""
    rng = np.random.default_rng(config.calibration_clips.seed)
    listed, complete = candidates.list_candidates(space, costs_of, rng)
    if not complete:
        listed = candidates.add_within_budgets(
            listed, space, costs_of, wanted, rng
        )
    listed = costs_of.convert_borderline(listed, wanted)
    listed = costs_of.measure_latencies(directory, listed, complete, wanted)
    if not complete and budgets.LATENCY in budgets.cost_names(wanted):
        # Once more, now that latencies are known.
        listed = candidates.add_within_budgets(
            listed, space, costs_of, wanted, rng
        )
    return listed, complete


def _evaluators(supernet, data, log_mel, labels, front, config):
    """Functions from a subnet to its metrics and to its plain network."""
    clips = config.calibration_clips
    calibration_clips = data.load(
        _CALIBRATION_SPLIT, clips.num_calibration_clips, clips.seed
    )
    compared = (log_mel, labels, data.info.class_map, data.info.label_type)
    evaluate = subnet_evaluator.make_subnet_evaluator(
        supernet,
        calibration_clips,
        *compared,
        clips.batch_size,
        config.cache_bytes,
        config.calibration,
    )
    materialize = subnet_evaluator.make_materialize(
        supernet, calibration_clips, clips.batch_size, config.calibration
    )
    if objectives.INT8_QUALITY not in front.qualities:
        return evaluate, materialize
    evaluate_int8 = subnet_evaluator.make_int8_evaluator(
        materialize, calibration_clips, *compared
    )

    def evaluate_both(subnet):
        return {
            **evaluate(subnet),
            objectives.INT8_QUALITY: evaluate_int8(subnet),
        }

    return evaluate_both, materialize


def _print_feasibility(
    wanted: Sequence[budgets.Budget], pools, num_candidates, complete
):
    of = "subnets" if complete else "subnets drawn from a large space"
    for budget, pool in zip(wanted, pools):
        print(
            f"{budget.name}: {len(pool):,} of {num_candidates:,} {of} keep "
            f"{budget.text}"
        )


def _rank_correlation(space, front, trials, seed):
    """How well the predictor ranks trials that it was not fitted to."""
    predictor = accuracy_predictor.AccuracyPredictor(space, front.quality)
    try:
        return predictor.fit(trials).held_out_rank_correlation(seed=seed)
    except ValueError as error:
        # Too few trials, which is no reason to lose them.
        logging.warning("No rank correlation of the predictor: %s", error)
        return None
