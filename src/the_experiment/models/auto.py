"""Makes our models known to transformers' Auto classes."""

from __future__ import annotations

import importlib
import pkgutil


def register() -> None:
    """Import every shipped model, each of which registers its classes; again does nothing.

    Those of plug-ins are not: they may be half imported themselves when transformers arrives.
    """
    package = importlib.import_module("the_experiment.models.shipped")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
