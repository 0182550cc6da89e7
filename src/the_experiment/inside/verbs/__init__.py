"""What can be asked of an opened model: one request a file, found by name for a replay."""
