"""Causality traces: written from derivations or asked for, trained on, held against controls."""
