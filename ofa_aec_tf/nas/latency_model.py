"""Latency of subnets on a device, from those that were measured there."""

import json
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np
import scipy.optimize

from ofa_aec_tf.deployment.latency import latency_table
from ofa_aec_tf.search_space.space import SearchSpace
from ofa_aec_tf.search_space.space import Subnet

MIN_MEASURED_SUBNETS = 3
_DECIMALS = 3


class LatencyModel:
    """Latency of the subnets of a space on one device.

    A subnet that was measured has what was measured. For the others latency
    is a constant and a part that is proportional to MACs, neither negative,
    with the least squares of the relative errors. It knows nothing of widths
    that suit the device better than others: `max_relative_error` says how far
    off it was for each measured subnet when it was fitted to the others.

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
        macs = np.asarray(macs, np.float64)
        latencies_ms = np.asarray(latencies_ms, np.float64)
        self._measured = dict(zip(subnets, latencies_ms.tolist()))
        self._context = dict(context)
        self._coefficients = _fit(macs, latencies_ms)
        self.max_relative_residual = float(
            np.abs(_predict(self._coefficients, macs) / latencies_ms - 1).max()
        )
        self.max_relative_error = max(
            _left_out_error(macs, latencies_ms, index)
            for index in range(len(macs))
        )

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
            family: dict of JSON types, the supernet's family with its name.
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
                # A front end in the file is no matter of the search.
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
            measured = float(_predict(self._coefficients, macs))
        return round(measured, _DECIMALS)

    def to_json(self) -> dict:
        """What the latencies rest on, as a dict of JSON types."""
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
    """What the user wanted, or the only value that there is."""
    found = sorted(set(values))
    if wanted is not None or not found:
        return wanted
    if len(found) > 1:
        raise ValueError(
            f"The latency table has rows of {found}: say which by {flag}."
        )
    return found[0]


def _fit(macs, latencies_ms):
    """Constant and slope, by non-negative least squares of relative errors."""
    # In units of the largest, as the solver compares with absolute zero.
    scale = macs.max()
    columns = np.stack([np.ones_like(macs), macs / scale], axis=1)
    relative = columns / latencies_ms[:, np.newaxis]
    coefficients, _ = scipy.optimize.nnls(relative, np.ones_like(macs))
    return coefficients / (1, scale)


def _predict(coefficients, macs):
    return coefficients[0] + coefficients[1] * macs


def _left_out_error(macs, latencies_ms, index):
    others = np.arange(len(macs)) != index
    coefficients = _fit(macs[others], latencies_ms[others])
    return float(
        abs(_predict(coefficients, macs[index]) / latencies_ms[index] - 1)
    )
