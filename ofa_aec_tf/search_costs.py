"""What subnets cost, for `search`: its flags of latency, and file sizes."""

from collections.abc import Iterable
from collections.abc import Mapping

from absl import flags

from ofa_aec_tf import latency_table
from ofa_aec_tf.complexity import FILE_SIZE_NAMES
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.deployment.file_sizes import FileSizes
from ofa_aec_tf.nas import budgets
from ofa_aec_tf.nas import latency_model
from ofa_aec_tf.search_space import Subnet

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


def known_costs() -> list[str]:
    """Names of the costs that budgets and objectives may be about.

    Raises:
        ValueError: if a flag of latencies is given without a table.
    """
    for flag in (_LATENCY_MODE, _LATENCY_THREADS):
        if flag.value is not None and _LATENCY_TABLE.value is None:
            raise ValueError(
                f"--{flag.name} chooses rows of a --latency_table. Give one."
            )
    return [
        name
        for name in budgets.ALL_COST_NAMES
        if name != budgets.LATENCY or _LATENCY_TABLE.value is not None
    ]


class SearchCosts:
    """The costs of a supernet's subnets, by name.

    Args:
        family: the family of the supernet.
        dataset: DatasetInfo.
        wanted: names of the costs that budgets and objectives are about.
            File sizes are known if one of them is: to find them out takes
            seconds for each structure of subnets.

    Raises:
        ValueError: if the latency table has too few of the family's subnets.
    """

    def __init__(self, family, dataset: DatasetInfo, wanted: Iterable[str]):
        self._family = family
        self._num_frames = dataset.num_frames
        self._space = family.search_space()
        self._file_sizes = None
        if not set(FILE_SIZE_NAMES).isdisjoint(wanted):
            self._file_sizes = FileSizes(
                family,
                dataset.frontend,
                dataset.clip_seconds,
                dataset.class_map.names,
            )
        self._latencies = None
        if _LATENCY_TABLE.value is not None:
            self._latencies = latency_model.LatencyModel.from_table(
                latency_table.read(_LATENCY_TABLE.value),
                self._space,
                {"name": family.name, **family.to_json()},
                self._num_frames,
                _LATENCY_MODE.value,
                _LATENCY_THREADS.value,
            )

    def __call__(self, subnet: Subnet) -> dict[str, int | float]:
        """The costs of a subnet."""
        costs = self._family.complexity(subnet, self._num_frames).to_json()
        if self._file_sizes is not None:
            costs.update(self._file_sizes.costs(subnet))
        if self._latencies is not None:
            costs[budgets.LATENCY] = self._latencies.latency_ms(
                subnet, costs["macs"]
            )
        return costs

    def add_latencies(self, results: dict) -> None:
        """Says in a report what the latencies of the budgets rest on.

        Args:
            results: dict, as `report.pareto_report` returns it.
        """
        if self._latencies is None:
            return
        results["latency"] = self._latencies.to_json()
        for budget in results["budgets"]:
            if budget["chosen"] is not None:
                subnet = self._space.subnet(budget["chosen"]["subnet"])
                budget["chosen"]["latency_is_measured"] = (
                    self._latencies.is_measured(subnet)
                )


def latency_text(chosen: Mapping, latency: Mapping | None) -> str:
    """A chosen subnet's latency and whence it is known; empty without.

    Args:
        chosen: dict, of a budget in the report.
        latency: dict, that of the report.
    """
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
