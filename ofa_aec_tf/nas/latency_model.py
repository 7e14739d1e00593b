"""Latency of subnets on a device, predicted from those measured there."""

import json
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from ofa_aec_tf.deployment import linear_fit
from ofa_aec_tf.deployment.latency import latency_table
from ofa_aec_tf.nas.budgets import LATENCY
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.nas.candidates import feasible_candidates
from ofa_aec_tf.search_space.space import SearchSpace
from ofa_aec_tf.search_space.space import Subnet

MIN_MEASURED_SUBNETS = 3
_DECIMALS = 3


class LatencyModel:
    """Latency of the subnets of a space on one device.

    Measured subnets have their measured latency. That of the others is a
    constant plus a part proportional to MACs, both non-negative, fitted by
    least squares of the relative errors. MACs do not tell which widths suit
    the device: `max_relative_error` is the largest error for a measured subnet
    that is predicted from the other ones.

    Args:
        subnets: sequence of Subnet. The measured ones, distinct.
        macs: sequence of int. Their MACs.
        latencies_ms: sequence of float. Their latencies.
        context: dict of JSON types. Device, mode and threads.

    Raises:
        ValueError: if fewer than `MIN_MEASURED_SUBNETS` were measured.
    """

    def __init__(
        self,
        subnets: Sequence[Subnet],
        macs: Sequence[int],
        latencies_ms: Sequence[float],
        context: Mapping,
    ):
        if len(subnets) < MIN_MEASURED_SUBNETS:
            raise ValueError(
                f"To predict latencies, at least {MIN_MEASURED_SUBNETS} "
                "subnets of this supernet must have been measured on the "
                f"device. Received: {len(subnets)} in {dict(context)}. Export "
                "more, such as the smallest, the largest and one between, and "
                "measure them with `python -m ofa_aec_tf.benchmark`."
            )
        self._measured = dict(zip(subnets, map(float, latencies_ms)))
        self._context = dict(context)
        # Features and values of relative errors: divided by the latencies.
        features = _features(np.asarray(macs)) / np.reshape(
            latencies_ms, (-1, 1)
        )
        ones = np.ones(len(features))
        self._coefficients = linear_fit.fit(features, ones)
        self.max_relative_residual = float(
            np.abs(features @ self._coefficients - 1).max()
        )
        left_out = linear_fit.left_out_predictions(features, ones)
        self.max_relative_error = float(np.abs(left_out - 1).max())

    @classmethod
    def from_table(
        cls,
        table: Mapping,
        space: SearchSpace,
        family: Mapping,
        num_frames: int,
        mode: str | None = None,
        num_threads: int | None = None,
    ) -> "LatencyModel":
        """The model of a device for the subnets of one supernet.

        Args:
            table: dict, as `latency_table.read` returns it.
            space: SearchSpace of the supernet.
            family: dict of JSON types, the supernet's family and its name.
            num_frames: int. Frames of a clip.
            mode: str. Quantization mode; None where the table has only one.
            num_threads: int. None where the table has only one number.

        Raises:
            ValueError: if the table leaves open which mode or number of
                threads is meant, or has too few rows of these subnets.
        """
        family = json.loads(json.dumps(family))
        rows = [
            row
            for row in table["rows"]
            if row["network"] is not None
            and row["network"]["family"] == family
            and row["network"]["num_frames"] == num_frames
        ]
        mode = _only(
            "--latency_mode", mode, [row["network"]["mode"] for row in rows]
        )
        num_threads = _only(
            "--latency_threads", num_threads, [row["threads"] for row in rows]
        )
        latencies_ms, macs = {}, {}
        for row in rows:
            if (row["network"]["mode"], row["threads"]) == (mode, num_threads):
                subnet = space.subnet(row["network"]["subnet"])
                typical_ms = latency_table.typical_ms(row)
                latencies_ms.setdefault(subnet, []).append(typical_ms)
                # The search does not count a front end in the file.
                macs[subnet] = row["network"].get("macs") or row["macs"]
        context = {
            "device": table["device"],
            "mode": mode,
            "threads": num_threads,
        }
        return cls(
            list(macs),
            list(macs.values()),
            [float(np.mean(latencies_ms[subnet])) for subnet in macs],
            context,
        )

    def is_measured(self, subnet: Subnet) -> bool:
        """Whether this very subnet was measured."""
        return subnet in self._measured

    def latency_ms(self, subnet: Subnet, macs: int) -> float:
        """Latency of a subnet, measured or predicted, to the microsecond.

        Args:
            subnet: Subnet of the space.
            macs: int. Its MACs.
        """
        measured = self._measured.get(subnet)
        if measured is None:
            measured = float(_features(macs) @ self._coefficients)
        return round(measured, _DECIMALS)

    def to_json(self) -> dict:
        """What the latencies are based on, as a dict of JSON types."""
        constant_ms, ms_per_mac = self._coefficients
        return {
            **self._context,
            "measured_subnets": [dict(subnet) for subnet in self._measured],
            "constant_ms": float(constant_ms),
            "ms_per_gmac": float(ms_per_mac * 1e9),
            "max_relative_residual": self.max_relative_residual,
            "max_relative_error": self.max_relative_error,
        }


def _only(flag, wanted, values):
    """What the user wanted, or else the only value that there is."""
    found = sorted(set(values))
    if wanted is not None or not found:
        return wanted
    if len(found) > 1:
        raise ValueError(
            f"The latency table has rows of {found}: choose by {flag}."
        )
    return found[0]


def _features(macs) -> np.ndarray:
    """Constant and MACs, along the last axis."""
    return np.stack([np.ones_like(macs), macs], axis=-1).astype(np.float64)


def spread(candidates: Sequence[Candidate], number: int) -> list[Candidate]:
    """Some candidates from the fewest MACs to the most, evenly by rank.

    Ranks, not MACs, are evenly spaced, so that most are measured where most
    have to be predicted.

    Args:
        candidates: distinct Candidates.
        number: int. How many to take, at most. The candidates with the fewest
            and the most MACs are among them.
    """
    ranked = sorted(candidates, key=lambda c: c.costs["macs"])
    if len(ranked) <= number:
        return ranked
    ranks = np.linspace(0, len(ranked) - 1, max(number, 0)).round().astype(int)
    return [ranked[rank] for rank in ranks]


def subnets_to_measure(
    candidates: Sequence[Candidate],
    complete: bool,
    budgets: Sequence[Budget],
    max_measured: int,
) -> list[Subnet]:
    """The subnets whose latency matters for a search, or some of them.

    Args:
        candidates: distinct Candidates, whose latency is not known.
        complete: bool. Whether they are the whole space.
        budgets: sequence of Budget. Those that keep all constraints of one
            but its latency may be chosen; without budgets, all may.
        max_measured: int. Of more subnets, only so many are taken.

    Returns:
        list of Subnet, enough to predict latencies if the space has as many.

    Raises:
        ValueError: if a budget is infeasible whatever the latencies.
    """
    needed = {} if budgets else {c.subnet: c for c in candidates}
    for budget in budgets:
        feasible = feasible_candidates(
            candidates, budget.without(LATENCY), complete
        )
        needed.update((c.subnet, c) for c in feasible)
    chosen = spread(list(needed.values()), max_measured)
    others = [c for c in candidates if c.subnet not in needed]
    chosen += spread(others, MIN_MEASURED_SUBNETS - len(chosen))
    return [c.subnet for c in chosen]
