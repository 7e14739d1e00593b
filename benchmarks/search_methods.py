"""Compares search methods on a space whose subnets have all been evaluated.

python benchmarks/search_methods.py --supernet=supernet.keras --search=SEARCH

SEARCH is the directory of an exhaustive `search` of that supernet, with a
budget that every subnet keeps. Every method then searches in its table, with
several seeds, and with as many evaluations as the others. The last line is a
JSON object that has for each method the share of the whole front's hypervolume
that it has found (mAP against parameters and MACs), and that of the best mAP,
both the least and the mean over the seeds.
"""

import math
import pathlib
import statistics

import measurement
from absl import flags

from ofa_aec_tf.command_flags import command_line

# What else imports TensorFlow comes after the quiet import of it.
# isort: split
from ofa_aec_tf.experiments import search_comparison
from ofa_aec_tf.families.networks import load_supernet
from ofa_aec_tf.nas import report
from ofa_aec_tf.nas.objectives import Objectives

_WHAT = "search_methods"

measurement.define_what(_WHAT)
_SUPERNET = flags.DEFINE_string("supernet", None, "A file.", required=True)
_SEARCH = flags.DEFINE_string(
    "search", None, "Directory of an exhaustive search.", required=True
)
_SHARE = flags.DEFINE_float(
    "share",
    0.1,
    "Evaluations of a method, of all subnets.",
    lower_bound=0,
    upper_bound=1,
)
_POPULATION = flags.DEFINE_integer(
    "population", 25, "Subnets of a generation.", lower_bound=2
)
_NUM_SEEDS = flags.DEFINE_integer(
    "num_seeds", 5, "Searches by each method.", lower_bound=1
)


def _read_trials(space):
    path = pathlib.Path(_SEARCH.value) / report.TRIALS_TABLE
    if not path.exists():
        raise ValueError(
            "`--search` must be the directory of a search that has ended. "
            f"There is no {path}."
        )
    return list(
        report.read_trials_table(path, space, Objectives().costs, ("mAP",))
    )


def main(_):
    """Runs the benchmark."""
    space = load_supernet(_SUPERNET.value).family.search_space()
    trials = _read_trials(space)
    costs = {space.subnet(t["subnet"]): t["costs"] for t in trials}
    num_subnets = sum(1 for _ in space.enumerate())
    if len(costs) != num_subnets:
        raise ValueError(
            "Methods are compared on a table of all subnets. Expected: "
            f"{num_subnets} trials that succeeded. Received: {len(costs)}"
        )
    num_evaluations = math.ceil(_SHARE.value * num_subnets)
    found = {}
    for result in search_comparison.compare(
        space,
        costs.__getitem__,
        trials,
        seed=0,
        split="validation",
        num_evaluations=num_evaluations,
        population=_POPULATION.value,
        num_method_seeds=_NUM_SEEDS.value,
    ):
        found.setdefault(result.series, []).append(result)
    best = max(trial["metrics"]["mAP"] for trial in trials)
    measurement.print_json(
        {
            "engine": measurement.engine(),
            "what": _WHAT,
            "num_subnets": num_subnets,
            "num_evaluations": num_evaluations,
            "num_seeds": _NUM_SEEDS.value,
            "methods": {
                method: _summary(results, best)
                for method, results in found.items()
            },
        }
    )


def _summary(results, best) -> dict:
    shares = {
        "hypervolume": [r.metrics["hypervolume"] for r in results],
        "mAP": [r.metrics["mAP"] / best for r in results],
    }
    summary = {
        "evaluations_max": max(r.costs["evaluations"] for r in results),
    }
    for name, values in shares.items():
        summary[f"{name}_share_min"] = min(values)
        summary[f"{name}_share_mean"] = statistics.fmean(values)
    return summary


if __name__ == "__main__":
    command_line.run(main)
