"""Tuning on traces of causal reasoning, beside controls: a base, arms, and what they answer."""
