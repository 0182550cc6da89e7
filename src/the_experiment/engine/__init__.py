"""What every experiment has in common: cells, where they land, and where they are computed."""
