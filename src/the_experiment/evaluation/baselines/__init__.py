"""Learners that know no rules: what the same split gives without a neural network.

Each is a function in a file of its own. What they solve, a model that solves it too need not have
understood.
"""
