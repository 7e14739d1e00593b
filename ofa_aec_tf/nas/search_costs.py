"""What subnets cost, for `search`: its flags of latency, and file sizes."""

import dataclasses
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from absl import flags

from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.deployment.file_sizes import FileSizes
from ofa_aec_tf.deployment.latency import latency_table
from ofa_aec_tf.deployment.latency import subnet_latency
from ofa_aec_tf.deployment.network_files import NetworkFiles
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.nas import budgets
from ofa_aec_tf.nas import latency_model
from ofa_aec_tf.nas import latency_sample
from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.search_space.complexity import FILE_SIZE_NAMES
from ofa_aec_tf.search_space.space import Subnet

_LATENCY_TABLE = path_flags.define_path(
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
_MEASURE_LATENCY = flags.DEFINE_enum(
    "measure_latency",
    None,
    [converter.FLOAT32, converter.INT8],
    "Measure latencies on this machine, of files in this quantization mode, "
    f"before the search begins. They go to {subnet_latency.LATENCY_TABLE} in "
    "--workdir, and are measured once.",
)
_LATENCY_THREADS = flags.DEFINE_integer(
    "latency_threads",
    None,
    "Threads of the latencies: where the table has several numbers, or to "
    "measure with (by default 1).",
    lower_bound=1,
)
_LATENCY_RUNS = flags.DEFINE_integer(
    "latency_runs",
    20,
    "Timed runs of each subnet with --measure_latency.",
    lower_bound=1,
)
_MAX_MEASURED_LATENCIES = flags.DEFINE_integer(
    "max_measured_latencies",
    128,
    "Subnets to measure with --measure_latency: of more, some from the fewest "
    "MACs to the most are measured and the others predicted.",
    lower_bound=latency_model.MIN_MEASURED_SUBNETS,
)


def known_costs() -> list[str]:
    """Names of the costs that budgets and objectives may be about.

    Raises:
        ValueError: if flags of latencies are given that do not go together.
    """
    table = _is_given(_LATENCY_TABLE)
    measured = _is_given(_MEASURE_LATENCY)
    if table and measured:
        raise ValueError(
            "Latencies come from a --latency_table or are measured here with "
            "--measure_latency. Give one of the two."
        )
    if _is_given(_LATENCY_MODE) and not table:
        raise ValueError(
            "--latency_mode chooses rows of a --latency_table. Give one, or "
            "name the mode by --measure_latency."
        )
    if _is_given(_LATENCY_THREADS) and not (table or measured):
        raise ValueError(
            "--latency_threads chooses rows of a --latency_table, or is for "
            "--measure_latency. Give one of the two."
        )
    for flag in (_LATENCY_RUNS, _MAX_MEASURED_LATENCIES):
        if flag.present and not measured:
            raise ValueError(
                f"--{flag.name} is for --measure_latency. Give that too."
            )
    return [
        name
        for name in budgets.ALL_COST_NAMES
        if name != budgets.LATENCY or table or measured
    ]


def _is_given(flag):
    return flag.value is not None


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
        self._dataset = dataset
        self._space = family.search_space()
        self._networks = NetworkFiles(
            family,
            dataset.frontend,
            dataset.clip_seconds,
            dataset.class_map.names,
        )
        self._file_sizes = None
        if not set(FILE_SIZE_NAMES).isdisjoint(wanted):
            self._file_sizes = FileSizes(self._networks)
        self._latencies = None
        if _LATENCY_TABLE.value is not None:
            self._latencies = self._latency_model(
                latency_table.read(_LATENCY_TABLE.value),
                _LATENCY_MODE.value,
                _LATENCY_THREADS.value,
            )

    def _latency_model(self, table, mode, num_threads):
        return latency_model.LatencyModel.from_table(
            table,
            self._space,
            self._family.record(),
            self._dataset.num_frames,
            mode,
            num_threads,
        )

    def measure_latencies(
        self,
        directory,
        candidates: Sequence[Candidate],
        complete: bool,
        wanted: Sequence[budgets.Budget],
    ) -> list[Candidate]:
        """Measures latencies on this machine, where the flags ask for it.

        From then on latencies are among the costs. What an earlier run has
        measured in the directory is not measured again.

        Args:
            directory: path of the run's working directory.
            candidates: distinct Candidates of the space.
            complete: bool. Whether they are the whole space.
            wanted: sequence of Budget.

        Returns:
            list of the Candidates, with their latencies.

        Raises:
            ValueError: if a budget is infeasible whatever the latencies, or
                the directory has latencies that were measured otherwise.
        """
        if _MEASURE_LATENCY.value is None:
            return list(candidates)
        subnets = latency_sample.subnets_to_measure(
            candidates, complete, wanted, _MAX_MEASURED_LATENCIES.value
        )
        settings = subnet_latency.Settings(
            _MEASURE_LATENCY.value,
            _LATENCY_THREADS.value or 1,
            _LATENCY_RUNS.value,
        )
        table = subnet_latency.measure(
            directory, self._networks, subnets, settings
        )
        self._latencies = self._latency_model(
            table, settings.mode, settings.num_threads
        )
        return [
            dataclasses.replace(
                candidate,
                costs=self._with_latency(candidate.subnet, candidate.costs),
            )
            for candidate in candidates
        ]

    def _with_latency(self, subnet, costs):
        latency_ms = self._latencies.latency_ms(subnet, costs["macs"])
        return {**costs, budgets.LATENCY: latency_ms}

    def __call__(self, subnet: Subnet) -> dict[str, int | float]:
        """The costs of a subnet."""
        costs = self._family.complexity(
            subnet, self._dataset.num_frames
        ).to_json()
        if self._file_sizes is not None:
            costs.update(self._file_sizes.costs(subnet))
        if self._latencies is not None:
            costs = self._with_latency(subnet, costs)
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
