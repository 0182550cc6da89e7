"""The Experiment: did this model learn the rule, or a pattern?"""
