"""From a world to train, valid, test and held-out files."""
