"""Measures the latency of subnets on this machine, before they are trained.

Weights change no latency, so that files with random ones are timed.
"""

import dataclasses
import hashlib
import importlib.metadata
import json
import pathlib
import shutil
from collections.abc import Mapping
from collections.abc import Sequence

import tqdm
from absl import logging

from ofa_aec_tf.deployment.latency import latency_table
from ofa_aec_tf.deployment.latency import measurement as latency
from ofa_aec_tf.deployment.network_files import NetworkFiles
from ofa_aec_tf.deployment.tflite import costs
from ofa_aec_tf.runs import machine
from ofa_aec_tf.runs import run_record
from ofa_aec_tf.runs import workdir
from ofa_aec_tf.search_space.space import Subnet

LATENCY_TABLE = "latency.json"
LATENCY_FILES = "latency_files"

_RUNTIME = "ai-edge-litert"
_NUM_WARMUP_RUNS = 2
_NUM_TURNS = 5
_SEED = 0
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
class Settings:
    """How latencies are measured.

    Args:
        mode: one of `tflite_converter.QUANTIZATION_MODES`.
        num_threads: int. Threads of the interpreter.
        num_runs: int. Timed runs of each subnet.
    """

    mode: str
    num_threads: int
    num_runs: int


def measure(
    directory,
    networks: NetworkFiles,
    subnets: Sequence[Subnet],
    settings: Settings,
) -> dict:
    """The latency table of a directory, with what it lacked measured.

    One process measures at a time; another one waits. Files are kept until
    the table is written, so that an interrupted measurement does not convert
    them again.

    Args:
        directory: path, created. It holds the table, `LATENCY_TABLE`, and for
            the while the files.
        networks: NetworkFiles of the family.
        subnets: sequence of Subnet, distinct.
        settings: Settings. Rows of other modes and threads stay in the table.

    Returns:
        dict, as `latency_table.read` returns it.

    Raises:
        ValueError: if the table was measured in another way or on another
            machine.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / LATENCY_TABLE
    context = _context(networks, settings)
    with workdir.lock(directory, wait=True):
        rows = _measured_rows(path, context)
        wanted = {
            subnet: _network(networks, subnet, settings.mode)
            for subnet in subnets
        }
        known = [
            row["network"]
            for row in rows
            if row["threads"] == settings.num_threads
        ]
        missing = {s: n for s, n in wanted.items() if n not in known}
        if missing:
            rows += _measure_missing(
                directory / LATENCY_FILES, networks, missing, settings
            )
            latency_table.write(path, rows=rows, **context)
        shutil.rmtree(directory / LATENCY_FILES, ignore_errors=True)
    return latency_table.read(path)


def _context(networks, settings):
    """What all rows of a table have in common."""
    return {
        "device": machine.cpu_model(),
        "measured_with": f"{_RUNTIME} {importlib.metadata.version(_RUNTIME)}",
        "machine": machine.description(),
        "num_runs": settings.num_runs,
        "turns": _NUM_TURNS,
        "warmup_runs": _NUM_WARMUP_RUNS,
        "seed": _SEED,
        "frontend": networks.config.to_json(),
    }


def _measured_rows(path, context):
    """Rows of an earlier measurement; ValueError if it was another one."""
    if not path.is_file():
        return []
    table = latency_table.read(path)
    rows = table["rows"]
    found = list(
        run_record.differences(
            {key: table.get(key) for key in _COMPARED},
            {key: context[key] for key in _COMPARED},
        )
    )
    if found:
        raise ValueError(
            f"{path} was measured otherwise: {'; '.join(found)}. Remove it to "
            "measure again, or use the same settings or another --workdir."
        )
    return rows


def _network(networks, subnet, mode):
    family = networks.family
    network = latency_table.network(
        family.record(),
        subnet,
        networks.num_frames,
        mode,
        family.complexity(subnet, networks.num_frames).macs,
    )
    # As it comes out of a table, where there are no tuples.
    return json.loads(json.dumps(network))


def _measure_missing(
    files_dir, networks, missing: Mapping[Subnet, Mapping], settings
):
    """Rows of subnets that were not measured yet."""
    logging.info(
        "Measuring the latency of %d subnets (%s, threads: %d). Let nothing "
        "else run meanwhile.",
        len(missing),
        settings.mode,
        settings.num_threads,
    )
    # No bar but on a terminal.
    paths = {
        subnet: _file(files_dir, networks, subnet, settings.mode)
        for subnet in tqdm.tqdm(missing, unit="file", disable=None)
    }
    # Subnets that round to the same filters are the same network.
    distinct = list(dict.fromkeys(paths.values()))
    *_, latencies = latency.measure_by_turns(
        [(path, settings.num_threads) for path in distinct],
        settings.num_runs,
        _NUM_WARMUP_RUNS,
        _NUM_TURNS,
        _SEED,
    )
    measured = dict(zip(distinct, latencies))
    return [
        _row(paths[subnet], network, measured[paths[subnet]], settings)
        for subnet, network in missing.items()
    ]


def _file(files_dir, networks, subnet, mode):
    """Path of a subnet's file, converted unless it was kept."""
    filters = networks.family.filters(subnet)
    path = files_dir / f"{networks.key(filters, mode)}.tflite"
    if not path.is_file():
        workdir.write_bytes(path, networks.convert(filters, [mode])[mode])
    return path


def _row(path, network, measured, settings):
    content = path.read_bytes()
    return {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "num_bytes": len(content),
        "macs": costs.count_macs(content),
        "network": network,
        "threads": settings.num_threads,
        "num_runs": measured.num_runs,
        "latency_ms": measured.to_json(),
    }
