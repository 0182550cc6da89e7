"""Questions in words with answers that code computes: arithmetic, several steps, logic."""
