"""The table over the models of a pipeline."""

import json

from ofa_aec_tf.reports import summary


def write_record(path, **details):
    record = {
        "frontend": {
            "sample_rate_hz": 32000,
            "window_samples": 1024,
            "hop_samples": 320,
            "num_mel_bins": 64,
            "min_frequency_hz": 50.0,
            "max_frequency_hz": 14000.0,
            "power_floor": 1e-10,
        },
        "clip_seconds": 1.0,
        "class_names": ["a", "b"],
        "label_type": "multi_label",
        "details": {
            "complexity": {"parameters": 12345, "macs": 6_700_000},
            **details,
        },
    }
    path.write_text(json.dumps(record))
    return record


def metrics_of(path, accuracy=None, num_scored_classes=2):
    return {
        str(path): {
            "mAP": 0.5,
            "mAUC": 0.75,
            "accuracy": accuracy,
            "num_clips": 40,
            "num_classes": 2,
            "num_scored_classes": num_scored_classes,
            "more": 1,
        }
    }


def test_rows_of_keras_and_tflite_files(tmp_path):
    keras_path = tmp_path / "subnet.keras"
    keras_path.write_bytes(b"x" * 2000)
    record = write_record(keras_path.with_suffix(".json"))
    row = summary.summary_row("ofa", keras_path, metrics_of(keras_path))
    assert row == {
        "model": "ofa",
        "file": str(keras_path),
        "parameters": 12345,
        "macs": 6_700_000,
        "num_bytes": 2000,
        "latency_ms": None,
        "mAP": 0.5,
        "mAUC": 0.75,
        "accuracy": None,
        "num_clips": 40,
        "num_classes": 2,
        "num_scored_classes": 2,
    }
    tflite_path = tmp_path / "subnet_int8.tflite"
    tflite_path.write_bytes(b"x" * 300)
    report = {
        "model": record,
        "files": {
            "float32": {"file": "subnet_float32.tflite", "latency_ms": 9.0},
            "int8": {"file": "subnet_int8.tflite", "latency_ms": 1.25},
        },
    }
    (tmp_path / "export.json").write_text(json.dumps(report))
    row = summary.summary_row("int8", tflite_path, metrics_of(tflite_path))
    assert (row["num_bytes"], row["latency_ms"]) == (300, 1.25)


def test_table_shows_accuracy_for_single_label_data_only(tmp_path):
    path = tmp_path / "subnet.keras"
    path.write_bytes(b"x")
    write_record(path.with_suffix(".json"))
    row = summary.summary_row("ofa", path, metrics_of(path))
    table = summary.summary_table([row])
    header, line = table.splitlines()
    assert header.split("  ")[0] == "model"
    assert line.split() == ["ofa", "12,345", "6.7", "1", "0.5000", "-"]
    assert "accuracy" not in header
    row = summary.summary_row("ofa", path, metrics_of(path, accuracy=0.875))
    table = summary.summary_table([row])
    assert "accuracy" in table and "0.8750" in table


def test_tables_say_over_how_many_classes_a_map_is(tmp_path):
    path = tmp_path / "subnet.keras"
    path.write_bytes(b"x")
    write_record(path.with_suffix(".json"))
    metrics = metrics_of(path, num_scored_classes=1)
    rows = [summary.summary_row(name, path, metrics) for name in ("a", "b")]
    *_, last = summary.summary_table(rows).splitlines()
    assert last == "test split: mAP over 1 of 2 classes"
    file = {"num_bytes": 1, "metrics": metrics[str(path)]}
    *_, last = summary.export_table([("a", file)]).splitlines()
    assert "mAP over 1 of 2 classes" in last


def test_export_table_shows_what_is_known():
    rows = [
        ("a.keras", {"num_bytes": 12345, "metrics": {"mAP": 0.5}}),
        (
            "a_int8.tflite",
            {
                "num_bytes": 300,
                "latency_ms": 1.254,
                "parity": {"max_score_difference": 0.01, "logit_snr_db": None},
            },
        ),
        ("frontend.tflite", {"num_bytes": 9, "parity": None}),
    ]
    lines = [line.split() for line in summary.export_table(rows).splitlines()]
    assert lines[1] == ["a.keras", "12,345", "-", "-", "-", "0.5000"]
    assert lines[2] == ["a_int8.tflite", "300", "1.25", "1.0e-02", "-", "-"]
    assert lines[3] == ["frontend.tflite", "9", "-", "-", "-", "-"]
