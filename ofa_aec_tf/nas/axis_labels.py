"""Labels of costs and metrics for people."""

_LABELS = {
    "parameters": "Parameters",
    "macs": "MACs per clip",
    "peak_activation_bytes": "Peak activation memory (bytes)",
    "int8_peak_activation_bytes": "Peak activation memory, int8 (bytes)",
    "float32_file_bytes": "float32 file (bytes)",
    "int8_file_bytes": "int8 file (bytes)",
    "latency_ms": "Latency (ms)",
    "d_prime": "d′",
    "accuracy": "Accuracy",
    "num_clips": "Clips",
}


def label(name) -> str:
    """The label of a cost, a metric or a setting."""
    return _LABELS.get(name, str(name).replace("_", " "))
