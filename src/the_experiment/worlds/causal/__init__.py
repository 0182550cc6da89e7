"""Puzzles about causes: questions about small causal graphs that code answers, step by step."""
