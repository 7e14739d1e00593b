"""Measured latencies."""
