"""Programs put to language models, by the names of the framework that this one grew from."""
