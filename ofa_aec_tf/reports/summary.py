"""Tables of models, their costs and their scores."""

import pathlib
from collections.abc import Iterable
from collections.abc import Mapping

from ofa_aec_tf.data.model_info import EXPORT_REPORT
from ofa_aec_tf.data.model_info import ModelInfo
from ofa_aec_tf.evaluation.metrics import coverage_notes
from ofa_aec_tf.runs import text_tables
from ofa_aec_tf.runs import workdir

_METRICS = ("mAP", "mAUC", "accuracy")
# What the metrics are computed over.
_COVERAGE = ("num_clips", "num_classes", "num_scored_classes")


def summary_row(name: str, path: pathlib.Path, metrics: Mapping) -> dict:
    """The costs and the scores of a model file.

    Args:
        name: str. What to call it.
        path: path of a `.keras` or `.tflite` file, with its record.
        metrics: dict from model paths to metrics, the content of the
            `metrics.json` of `evaluate`.

    Returns:
        dict with `model`, `file`, `parameters`, `macs`, `num_bytes`,
        `latency_ms` (None but for `.tflite`), `mAP`, `mAUC`, `accuracy`
        (None for multi-label data), `num_clips`, `num_classes` and
        `num_scored_classes`.
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
        **{key: metrics[str(path)].get(key) for key in _COVERAGE},
    }


def summary_table(rows: Iterable[Mapping]) -> str:
    """The rows as a table, and notes on what the mAP is computed over.

    Args:
        rows: dicts of `summary_row`.
    """
    rows = list(rows)
    columns = [
        ("model", "model", ""),
        ("parameters", "parameters", ","),
        ("MMACs", "macs", lambda macs: f"{macs / 1e6:,.1f}"),
        ("bytes", "num_bytes", ","),
        ("test mAP", "mAP", ".4f"),
        ("accuracy", "accuracy", ".4f"),
        ("latency ms", "latency_ms", ".2f"),
    ]
    if all(row["accuracy"] is None for row in rows):
        del columns[-2]
    return "\n".join([text_tables.table(rows, columns), *_notes(rows, "test")])


def _notes(values, split):
    """Notes on metrics, each once."""
    return dict.fromkeys(
        note for value in values for note in coverage_notes(value, split)
    )


def export_table(rows: Iterable[tuple[str, Mapping]]) -> str:
    """The files of an export as a table.

    Args:
        rows: tuples of a path and a dict with `num_bytes` and, where they are
            known, `latency_ms`, `parity` and `metrics`, as in `export.json`.
    """
    rows = list(rows)
    cells = [
        {
            "path": path,
            **file,
            **(file.get("parity") or {}),
            **(file.get("metrics") or {}),
        }
        for path, file in rows
    ]
    table = text_tables.table(
        cells,
        (
            ("file", "path", ""),
            ("bytes", "num_bytes", ","),
            ("ms", "latency_ms", ".2f"),
            ("max diff", "max_score_difference", ".1e"),
            ("SNR dB", "logit_snr_db", ".1f"),
            ("mAP", "mAP", ".4f"),
        ),
    )
    measured = [file["metrics"] for _, file in rows if file.get("metrics")]
    return "\n".join([table, *_notes(measured, "evaluated")])
