"""A job: from clips to a finished data set."""
