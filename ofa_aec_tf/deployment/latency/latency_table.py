"""The latency table of a device: written by benchmarks, read by searches.

A JSON object with `device`, a name, and `rows`, one for each file and number
of threads. A row has at least `file`, `threads`, `macs`, `latency_ms` (with
`median`, `p95`, `mean` and `min`, each a number or None), and `network`: which
network the file holds, or None where that is unknown.
"""

from collections.abc import Mapping
from collections.abc import Sequence

from ofa_aec_tf.checks import json_kinds
from ofa_aec_tf.deployment.latency.measurement import Latency
from ofa_aec_tf.runs import workdir


def _or_none(is_right):
    return lambda value: value is None or is_right(value)


_ROW_KINDS = {
    "file": lambda value: isinstance(value, str),
    "threads": _or_none(json_kinds.is_count),
    "latency_ms": json_kinds.is_mapping,
    "macs": _or_none(json_kinds.is_count),
    "network": _or_none(json_kinds.is_mapping),
}
_LATENCY_KINDS = {
    "mean": _or_none(json_kinds.is_number),
    "median": _or_none(json_kinds.is_number),
}
_NETWORK_KINDS = {
    "family": json_kinds.is_mapping,
    "subnet": json_kinds.is_mapping,
}


def network(
    family: Mapping,
    subnet: Mapping,
    num_frames: int,
    mode: str,
    macs: int | None = None,
) -> dict:
    """Which network a file holds.

    Args:
        family: dict of JSON types, the family with its `name`.
        subnet: dict of the subnet's choices.
        num_frames: int. Frames of a clip.
        mode: str. Quantization mode of the file.
        macs: int or None. Those of the network alone, as a search counts
            them; the file may contain a front end as well.
    """
    return {
        "family": dict(family),
        "subnet": dict(subnet),
        "num_frames": num_frames,
        "mode": mode,
        "macs": macs,
    }


def row(costs: Mapping, num_threads: int, latency: Latency) -> dict:
    """A row of the table.

    Args:
        costs: dict of JSON types. What is known of the file.
        num_threads: int. Threads of the interpreter.
        latency: Latency.
    """
    return {
        **costs,
        "threads": num_threads,
        "num_runs": latency.num_runs,
        "latency_ms": latency.to_json(),
    }


def typical_ms(row: Mapping) -> float:
    """The median latency of a row; its mean if there is no median."""
    latency_ms = row["latency_ms"]
    if latency_ms.get("median") is not None:
        return latency_ms["median"]
    return latency_ms.get("mean")


def write(path, device: str, rows: Sequence[Mapping], **context) -> None:
    """Writes the table of a device.

    Args:
        path: path of the file.
        device: str. Its name.
        rows: sequence of dict of JSON types, as described above.
        **context: JSON types. How the rows were measured.
    """
    workdir.write_json(path, {"device": device, **context, "rows": list(rows)})


def read(path) -> dict:
    """Reads the table of a device.

    Raises:
        ValueError: if there is no such file, or it is not a latency table.
    """
    try:
        table = workdir.read_json(path)
    except FileNotFoundError:
        raise ValueError(
            f"There is no latency table {path}. Make it with `python -m "
            "ofa_aec_tf.benchmark`."
        ) from None
    rows = table.get("rows") if isinstance(table, dict) else None
    if not isinstance(rows, list) or "device" not in table:
        raise ValueError(
            f"{path} is not a latency table: it needs `device` and `rows`. "
            "Make one with `python -m ofa_aec_tf.benchmark`."
        )
    for position, row in enumerate(rows):
        try:
            _check_kinds(row)
        except ValueError as error:
            raise ValueError(
                f"Row {position} of {path} cannot be used: {error}. Measure "
                "again with `python -m ofa_aec_tf.benchmark`."
            ) from error
    return table


def _check_kinds(row):
    json_kinds.check(row, _ROW_KINDS, "row.")
    # Other tools may give only one of the two.
    latency_ms = {"mean": None, "median": None, **row["latency_ms"]}
    json_kinds.check(latency_ms, _LATENCY_KINDS, "latency_ms.")
    if row["network"] is not None:
        json_kinds.check(row["network"], _NETWORK_KINDS, "network.")
