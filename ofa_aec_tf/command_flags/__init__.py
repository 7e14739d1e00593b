"""Flags that commands share, and how every command starts."""
