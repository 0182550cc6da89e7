"""Completions graded against the rules, beside baselines, with intervals; and the verdict."""
