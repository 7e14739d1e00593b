"""Made-up measurements of a whole reproduction."""

import numpy as np

from ofa_aec_tf.experiments.reports.measurements import Measurement

BUDGETS = {"0.9M": 0.9e6, "1.8M": 1.8e6, "2.7M": 2.7e6, "3.6M": 3.6e6}
SPACES = {"[2,2,X]": 0.0, "[2,X,X]": -0.01, "[X,X,X]": -0.02, "EW-only": -0.005}


def measurement(experiment, series, budget="", seed=0, mean=0.5, **changes):
    """A Measurement of a network with 900,000 parameters on the test split.

    Args:
        experiment: str.
        series: str.
        budget: str.
        seed: int.
        mean: float. The mAP.
        **changes: other fields.
    """
    values = {
        "subnet": None,
        "costs": {"parameters": 900_000, "macs": 10**9},
        "metrics": {"mAP": mean},
        "split": "test",
    }
    return Measurement(
        experiment, series, budget, seed, **{**values, **changes}
    )


def whole(seeds=(0, 1, 2)) -> list[Measurement]:
    """Measurements of all experiments.

    Args:
        seeds: sequence of int.
    """
    rng = np.random.default_rng(1)
    made = []

    def add(experiment, series, budget, seed, mean, **changes):
        parameters = int(BUDGETS.get(budget, 5.2e6) + rng.integers(-9e4, 9e4))
        costs = {"parameters": parameters, "macs": 2000 * parameters}
        costs |= changes.pop("costs", {})
        mean += float(rng.normal(0, 0.004))
        metrics = {"mAP": round(mean, 4)} | changes.pop("metrics", {})
        made.append(
            measurement(
                experiment,
                series,
                budget,
                seed,
                costs=costs,
                metrics=metrics,
                **changes,
            )
        )

    for seed in seeds:
        add("table1", "teacher", "", seed, 0.80)
        for step, budget in enumerate(BUDGETS):
            ofa = 0.76 + 0.01 * step
            add("table1", "scratch", budget, seed, ofa - 0.09)
            add("table1", "KD", budget, seed, ofa - 0.03 + 0.012 * step)
            add("table1", "OFA", budget, seed, ofa)
            for series, loss in (("OFA", 0), ("KD, 150 steps", -0.03)):
                add("equal_steps", series, budget, seed, ofa + loss)
            add("table2", "OFA", budget, seed, ofa)
            add("table2", "OFA +short", budget, seed, ofa + 0.01 * step)
            add("table2", "OFA +long", budget, seed, ofa + 0.012 * step)
            add("table2", "init +long", budget, seed, ofa - 0.01)
            for space, loss in SPACES.items():
                add("figure3", space, budget, seed, ofa + loss)
                for index in range(6):
                    add(
                        "figure4",
                        space,
                        budget,
                        seed,
                        ofa + loss + float(rng.normal(0, 0.002 - loss / 3)),
                        subnet={"block2_width": index / 10},
                        split="validation",
                    )
            for rule, gain in (("uniform", 0), ("sandwich", 0.005)):
                add("sampling", rule, budget, seed, ofa + gain)
            for number, gain in ((1, -0.02), (4, 0), (16, 0.002)):
                add("subnets_per_step", f"K={number}", budget, seed, ofa + gain)
            for state, gain in (("calibrated", 0), ("not calibrated", -0.4)):
                add("calibration", state, budget, seed, ofa + gain)
            for stem, gain in (("static", 0), ("elastic", -0.01)):
                add("stem", stem, budget, seed, ofa + gain)
        for number in (16, 64):
            for method in ("exhaustive", "random", "nsga2"):
                add(
                    "methods",
                    method,
                    "0.9M",
                    seed,
                    0.76,
                    costs={"evaluations": number},
                    metrics={"hypervolume": 0.5 + number / 1000},
                    split="validation",
                )
    return made
