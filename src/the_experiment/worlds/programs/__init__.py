"""Programs that a model is asked about: generators, an interpreter, and prompts around them."""
