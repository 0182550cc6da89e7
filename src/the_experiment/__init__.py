"""The Experiment: did this model learn the rule, or a pattern?

Importing this package makes `AutoModelForCausalLM` know our RNN and CNN, without importing
transformers: they are registered the moment transformers is there.
"""

from __future__ import annotations

import sys
from types import ModuleType

if __name__ == "__main__":
    # Run as a file, `python src/the_experiment/__init__.py …`, in a checkout: the package is then
    # found one folder up, and this folder must not shadow other packages' modules.
    from pathlib import Path

    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    try:
        from the_experiment.cli import main

        main()
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error.name} is not installed\n  → pip install -r requirements.txt")
else:
    import wrapt

    def _register_models(_: ModuleType) -> None:
        from the_experiment.models.auto import register

        register()

    wrapt.register_post_import_hook(_register_models, "transformers")
