"""What `HookedModel` was called in version 0.1."""

from the_experiment.inside.hooked_model import HookedModel as Opened

__all__ = ["Opened"]
