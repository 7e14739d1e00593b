"""Audio files by the names that tables and folders give them."""
