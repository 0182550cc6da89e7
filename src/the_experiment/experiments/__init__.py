"""Whole experiments: one declared file each, and a folder here for each kind of them."""
