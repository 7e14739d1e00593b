"""Where shards are written: this machine's processes or Apache Beam."""
