"""Boolean networks of other tools read as worlds, and boolean worlds written for them."""
