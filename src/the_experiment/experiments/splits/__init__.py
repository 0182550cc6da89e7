"""Experiments on splits: models and baselines on states that are held out in several ways."""
