"""What a finished data set holds, and what is wrong with it."""
