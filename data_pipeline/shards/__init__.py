"""Shards: which clip goes into which file, and writing one."""
