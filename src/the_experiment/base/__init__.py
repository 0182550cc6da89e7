"""What every room needs and none of them owns: errors, files, seeds, logging, registries."""
