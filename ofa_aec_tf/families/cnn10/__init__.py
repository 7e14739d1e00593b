"""The CNN10 family."""
