"""Measures the latency of subnets on this machine, before they are trained.

Weights do not change the latency, so files with random weights are timed.
"""

import dataclasses
import json
import pathlib
import shutil
from collections.abc import Mapping
from collections.abc import Sequence

import tqdm
from absl import logging

from ofa_aec_tf.deployment.latency import file_benchmark
from ofa_aec_tf.deployment.latency import latency_table
from ofa_aec_tf.deployment.latency import measurement
from ofa_aec_tf.deployment.latency.measurement import Timing
from ofa_aec_tf.deployment.network_files import NetworkFiles
from ofa_aec_tf.runs import machine
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.search_space.space import Subnet

LATENCY_TABLE = "latency.json"
LATENCY_FILES = "latency_files"

# Not `machine`, which changes with each update of the system.
_COMPARED = (
    "device",
    "measured_with",
    "num_runs",
    "turns",
    "warmup_runs",
    "frontend",
)


@dataclasses.dataclass(frozen=True)
class SubnetTiming:
    """How latencies of subnets are measured.

    Args:
        mode: one of `converter.QUANTIZATION_MODES`.
        num_threads: int. Threads of the interpreter.
        num_runs: int. Timed runs of each subnet.
    """

    mode: str
    num_threads: int
    num_runs: int

    @property
    def timing(self) -> Timing:
        """How each file is timed."""
        return Timing(self.num_runs, warmup_runs=2)


def measure(
    directory,
    networks: NetworkFiles,
    subnets: Sequence[Subnet],
    how: SubnetTiming,
) -> dict:
    """The latency table of a directory; measures what is missing from it.

    One process measures at a time, and others wait. Converted files are kept
    until the table is written, so that an interrupted measurement does not
    convert them again.

    Args:
        directory: path; created. It holds the table, `LATENCY_TABLE`, and the
            files until it is written.
        networks: NetworkFiles of the family.
        subnets: sequence of distinct Subnets.
        how: SubnetTiming. Rows of other modes and threads stay in the table.

    Returns:
        dict, as `latency_table.read` returns it.

    Raises:
        ValueError: if the table was measured in another way or on another
            machine.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / LATENCY_TABLE
    context = _context(networks, how)
    with workdir.lock(directory, wait=True):
        rows = _measured_rows(path, context)
        wanted = {s: _network(networks, s, how.mode) for s in subnets}
        known = [
            row["network"] for row in rows if row["threads"] == how.num_threads
        ]
        missing = {s: n for s, n in wanted.items() if n not in known}
        if missing:
            files_dir = directory / LATENCY_FILES
            rows += _measure_missing(files_dir, networks, missing, how)
            latency_table.write(path, rows=rows, **context)
        shutil.rmtree(directory / LATENCY_FILES, ignore_errors=True)
    return latency_table.read(path)


def _context(networks, how):
    """What all rows of a table have in common."""
    return {
        "device": machine.cpu_model(),
        "measured_with": file_benchmark.runtime_version(),
        "machine": machine.description(),
        "num_runs": how.num_runs,
        "turns": how.timing.turns,
        "warmup_runs": how.timing.warmup_runs,
        "seed": how.timing.seed,
        "frontend": networks.config.to_json(),
    }


def _measured_rows(path, context):
    """Rows of an earlier measurement; ValueError if it differs from this."""
    if not path.is_file():
        return []
    table = latency_table.read(path)
    found = list(
        run_record.differences(
            {key: table.get(key) for key in _COMPARED},
            {key: context[key] for key in _COMPARED},
        )
    )
    if found:
        raise ValueError(
            f"{path} was measured differently: {'; '.join(found)}. Remove it "
            "to measure again, or use the same settings or another --workdir."
        )
    return table["rows"]


def _network(networks, subnet, mode):
    family = networks.family
    network = latency_table.network(
        family.record(),
        subnet,
        networks.num_frames,
        mode,
        family.complexity(subnet, networks.num_frames).macs,
    )
    # To compare with those of a table, in which tuples are lists.
    return json.loads(json.dumps(network))


def _measure_missing(
    files_dir, networks, missing: Mapping[Subnet, Mapping], how
):
    """Rows of subnets that have not been measured."""
    logging.info(
        "Measuring the latency of %d subnets (%s, threads: %d). Let nothing "
        "else run meanwhile.",
        len(missing),
        how.mode,
        how.num_threads,
    )
    # `None` shows the progress bar on terminals only.
    paths = {
        subnet: _file(files_dir, networks, subnet, how.mode)
        for subnet in tqdm.tqdm(missing, unit="file", disable=None)
    }
    # Ratios may round to the same channels: those subnets share a file.
    distinct = list(dict.fromkeys(paths.values()))
    *_, latencies = measurement.measure_by_turns(
        [(path, how.num_threads) for path in distinct], how.timing
    )
    measured = dict(zip(distinct, latencies))
    rows = []
    for subnet, network in missing.items():
        path = paths[subnet]
        costs = file_benchmark.file_costs(path)
        costs |= {"file": path.name, "network": network}
        rows.append(latency_table.row(costs, how.num_threads, measured[path]))
    return rows


def _file(files_dir, networks, subnet, mode):
    """Path of a subnet's file, which is converted unless it exists."""
    path = files_dir / f"{networks.key(subnet, mode)}.tflite"
    if not path.is_file():
        workdir.write_bytes(path, networks.convert(subnet, [mode])[mode])
    return path
