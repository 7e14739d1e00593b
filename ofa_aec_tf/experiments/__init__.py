"""Runs of several steps: pipelines, reproductions, cross-validations."""
