"""Whole experiments, one declared file each: world, hold-outs, models, seeds, measures, claim."""
