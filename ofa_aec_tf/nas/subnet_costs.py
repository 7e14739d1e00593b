"""What subnets cost: counted, predicted from conversions, or measured."""

import dataclasses
from collections.abc import Collection
from collections.abc import Sequence

import keras

from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.deployment.file_sizes import FileSizes
from ofa_aec_tf.deployment.latency import latency_table
from ofa_aec_tf.deployment.latency import subnet_latency
from ofa_aec_tf.deployment.network_files import NetworkFiles
from ofa_aec_tf.deployment.tflite import converter
from ofa_aec_tf.nas import budgets
from ofa_aec_tf.nas import latency_model
from ofa_aec_tf.nas.budgets import Budget
from ofa_aec_tf.nas.candidates import Candidate
from ofa_aec_tf.search_space import complexity
from ofa_aec_tf.search_space.complexity import FILE_SIZE_NAMES
from ofa_aec_tf.search_space.space import Subnet

# A conversion takes seconds.
_MAX_CONVERTED = 32


@dataclasses.dataclass(frozen=True)
class LatencySettings(settings.Settings):
    """Where the latencies of subnets come from."""

    latency_table: str | None = setting(
        None,
        "What ofa_aec_tf.benchmark measured on a device, for budgets such as "
        "`phone:latency_ms<=20`. Subnets that are not in it are predicted.",
        is_path=True,
    )
    latency_mode: str | None = setting(
        None,
        "Quantization mode of the latencies, if the table has several.",
        when={"latency_table": True},
    )
    measure_latency: str | None = setting(
        None,
        "Measure latencies on this machine, of files in this quantization "
        "mode, before the search begins. They are written to "
        f"{subnet_latency.LATENCY_TABLE} in --workdir, and measured only once.",
        choices=(converter.FLOAT32, converter.INT8),
    )
    latency_threads: int | None = setting(
        None,
        "Threads of the latencies: which rows to take if the table has "
        "several numbers, or what to measure with (1 by default).",
        at_least=1,
    )
    latency_runs: int = setting(
        20,
        "Timed runs of each subnet with --measure_latency.",
        at_least=1,
        when={"measure_latency": True},
    )
    max_measured_latencies: int = setting(
        128,
        "Subnets to measure with --measure_latency. If there are more, so many "
        "are measured, from the fewest MACs to the most, and the others are "
        "predicted.",
        at_least=latency_model.MIN_MEASURED_SUBNETS,
        when={"measure_latency": True},
    )

    def __post_init__(self):
        super().__post_init__()
        if self.latency_table and self.measure_latency:
            raise ValueError(
                "Latencies come from a --latency_table or are measured here "
                "with --measure_latency. Give one of the two."
            )
        if self.latency_threads and not self.are_known:
            raise ValueError(
                "--latency_threads is for --latency_table or "
                "--measure_latency. Give one of the two."
            )

    @property
    def are_known(self) -> bool:
        """Whether subnets have latencies at all."""
        return bool(self.latency_table or self.measure_latency)

    @property
    def known_costs(self) -> tuple[str, ...]:
        """Names of the costs that budgets and objectives may be about."""
        return tuple(
            name
            for name in budgets.ALL_COST_NAMES
            if name != budgets.LATENCY or self.are_known
        )


class SubnetCosts:
    """The costs of a supernet's subnets, by name.

    Args:
        family: Family of the supernet.
        dataset: DatasetInfo.
        wanted: names of the costs that budgets and objectives are about. File
            sizes are known if one of them is among these, because finding
            them out takes some conversions.
        latency: LatencySettings.

    Raises:
        ValueError: if the latency table has too few of the family's subnets.
    """

    def __init__(
        self,
        family,
        dataset: DatasetInfo,
        wanted: Collection[str],
        latency: LatencySettings,
    ):
        self._family = family
        self._num_frames = dataset.num_frames
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
        self._has_final_size: set[Subnet] = set()
        self._settings = latency
        self._latencies = None
        if latency.latency_table is not None:
            self._latencies = self._latency_model(
                latency_table.read(latency.latency_table),
                latency.latency_mode,
                latency.latency_threads,
            )

    def _latency_model(self, table, mode, num_threads):
        return latency_model.LatencyModel.from_table(
            table,
            self._space,
            self._family.record(),
            self._num_frames,
            mode,
            num_threads,
        )

    def __call__(self, subnet: Subnet) -> dict[str, int | float]:
        """The costs of a subnet."""
        layers = self._family.layer_costs(subnet, self._num_frames)
        costs = complexity.total_complexity(
            layers, self._num_frames * self._family.num_mel_bins
        ).to_json()
        if self._file_sizes is not None:
            costs.update(self._file_sizes.costs(subnet, layers))
        if self._latencies is not None:
            costs[budgets.LATENCY] = self._latencies.latency_ms(
                subnet, costs["macs"]
            )
        return costs

    def _updated(self, candidates):
        return [
            dataclasses.replace(c, costs=self(c.subnet)) for c in candidates
        ]

    def measure_latencies(
        self,
        directory,
        candidates: Sequence[Candidate],
        complete: bool,
        wanted: Sequence[Budget],
    ) -> list[Candidate]:
        """Measures latencies on this machine if the settings ask for it.

        Subnets have latencies from then on. What an earlier run has measured
        in the directory is not measured again.

        Args:
            directory: path of the run's working directory.
            candidates: distinct Candidates of the space.
            complete: bool. Whether they are the whole space.
            wanted: sequence of Budget.

        Returns:
            list of the Candidates, with their latencies.

        Raises:
            ValueError: if a budget is infeasible whatever the latencies, or
                those in the directory were measured differently.
        """
        mode = self._settings.measure_latency
        if mode is None:
            return list(candidates)
        num_threads = self._settings.latency_threads or 1
        table = subnet_latency.measure(
            directory,
            self._networks,
            latency_model.subnets_to_measure(
                candidates,
                complete,
                wanted,
                self._settings.max_measured_latencies,
            ),
            subnet_latency.SubnetTiming(
                mode, num_threads, self._settings.latency_runs
            ),
        )
        self._latencies = self._latency_model(table, mode, num_threads)
        return self._updated(candidates)

    def convert_borderline(
        self, candidates: Sequence[Candidate], wanted: Sequence[Budget]
    ) -> list[Candidate]:
        """Converts candidates whose predicted size may be on either side.

        Those are within the error of the predictions from a bound. Of many,
        only the nearest are converted.

        Args:
            candidates: distinct Candidates of the space.
            wanted: sequence of Budget.

        Returns:
            list of the Candidates, with the real sizes of the converted ones.
        """
        if self._file_sizes is None:
            return list(candidates)
        errors = self._file_sizes.error_bytes
        bounds = {
            (constraint.cost, bound)
            for budget in wanted
            for constraint in budget.constraints
            for bound in (constraint.minimum, constraint.maximum)
            if constraint.cost in errors and bound
        }
        near = [
            (abs(candidate.costs[cost] - bound), position)
            for position, candidate in enumerate(candidates)
            for cost, bound in bounds
            if abs(candidate.costs[cost] - bound) <= errors[cost]
            and not self._file_sizes.is_real(candidate.subnet)
        ]
        positions = dict.fromkeys(position for _, position in sorted(near))
        for position in list(positions)[:_MAX_CONVERTED]:
            self._file_sizes.convert(candidates[position].subnet)
        return self._updated(candidates) if positions else list(candidates)

    def has_final_size(self, subnet: Subnet) -> bool:
        """Whether a size is that of the file, if there are sizes at all."""
        return self._file_sizes is None or subnet in self._has_final_size

    def set_final_size(self, subnet: Subnet, network: keras.Model) -> None:
        """Takes the sizes of a subnet from the files of its trained network.

        Args:
            subnet: Subnet of the space.
            network: keras.Model of it, with trained weights.
        """
        self._file_sizes.convert(subnet, network)
        self._has_final_size.add(subnet)

    def add_sources(self, results: dict) -> None:
        """Adds to a report what its file sizes and latencies are based on.

        Args:
            results: dict, as `report.pareto_report` returns it.
        """
        chosen = [b["chosen"] for b in results["budgets"] if b["chosen"]]
        if self._file_sizes is not None:
            results["file_sizes"] = self._file_sizes.to_json()
            for trial in chosen:
                trial["file_sizes_are_real"] = self.has_final_size(
                    self._space.subnet(trial["subnet"])
                )
        if self._latencies is not None:
            results["latency"] = self._latencies.to_json()
            for trial in chosen:
                trial["latency_is_measured"] = self._latencies.is_measured(
                    self._space.subnet(trial["subnet"])
                )
