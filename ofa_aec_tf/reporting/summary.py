"""One table over everything that a pipeline run has made."""

import pathlib
from collections.abc import Iterable
from collections.abc import Mapping

from ofa_aec_tf import workdir
from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.reporting import tables

_METRICS = ("mAP", "mAUC", "accuracy")


def summary_row(name: str, path: pathlib.Path, metrics: Mapping) -> dict:
    """What one model file costs and how good it is.

    Args:
        name: str. What to call it.
        path: path of a `.keras` or `.tflite` file, with its record.
        metrics: dict from model paths to metrics, the content of the
            `metrics.json` of `evaluate`.

    Returns:
        dict with `model`, `file`, `parameters`, `macs`, `num_bytes`,
        `latency_ms` (None but for `.tflite`), `mAP`, `mAUC` and `accuracy`
        (None for multi-label data).
    """
    path = pathlib.Path(path)
    complexity = ModelInfo.read(path).details["complexity"]
    latency_ms = None
    if path.suffix == ".tflite":
        report = workdir.read_json(path.parent / EXPORT_REPORT)
        latency_ms = next(
            file["latency_ms"]
            for file in report["files"].values()
            if file["file"] == path.name
        )
    return {
        "model": name,
        "file": str(path),
        "parameters": complexity["parameters"],
        "macs": complexity["macs"],
        "num_bytes": path.stat().st_size,
        "latency_ms": latency_ms,
        **{key: metrics[str(path)][key] for key in _METRICS},
    }


def summary_table(rows: Iterable[Mapping]) -> str:
    """The rows as an aligned table.

    Args:
        rows: dicts of `summary_row`.
    """
    rows = list(rows)
    single_label = any(row["accuracy"] is not None for row in rows)
    columns = [
        ("model", "model", str),
        ("parameters", "parameters", "{:,}".format),
        ("MMACs", "macs", lambda macs: f"{macs / 1e6:,.1f}"),
        ("bytes", "num_bytes", "{:,}".format),
        ("test mAP", "mAP", "{:.4f}".format),
    ]
    if single_label:
        columns.append(("accuracy", "accuracy", "{:.4f}".format))
    columns.append(("latency ms", "latency_ms", "{:.2f}".format))
    cells = [[header for header, _, _ in columns]]
    for row in rows:
        cells.append(
            [
                "-" if row[key] is None else form(row[key])
                for _, key, form in columns
            ]
        )
    return tables.aligned(cells)


def export_table(rows: Iterable[tuple[str, Mapping]]) -> str:
    """The files of an export as an aligned table.

    Args:
        rows: tuples of a path and a dict with `num_bytes` and, where they are
            known, `latency_ms`, `parity` and `metrics`, as in `export.json`.
    """
    cells = [("file", "bytes", "ms", "max diff", "SNR dB", "mAP")]
    for path, file in rows:
        parity = file.get("parity") or {}
        metrics = file.get("metrics") or {}
        values = (
            (",", file["num_bytes"]),
            (".2f", file.get("latency_ms")),
            (".1e", parity.get("max_score_difference")),
            (".1f", parity.get("logit_snr_db")),
            (".4f", metrics.get("mAP")),
        )
        numbers = ("-" if v is None else format(v, form) for form, v in values)
        cells.append((path, *numbers))
    return tables.aligned(cells)
