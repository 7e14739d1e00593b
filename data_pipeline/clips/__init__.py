"""Clips: what becomes a record, and how it sounds."""
