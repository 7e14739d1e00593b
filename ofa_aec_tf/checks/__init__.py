"""Whether arguments, numbers and JSON values are what they should be."""
