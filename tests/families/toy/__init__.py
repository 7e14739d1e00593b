"""An elastic family for tests, as an author of a new one would write it."""
