"""Programs that a model is asked about: their generators, what they give, and prompts around them."""
