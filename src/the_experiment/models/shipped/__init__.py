"""The architectures that come with the package: one file each, found by name."""
