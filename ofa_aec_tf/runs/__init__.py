"""The working directory of a run, its record, and how processes run."""
