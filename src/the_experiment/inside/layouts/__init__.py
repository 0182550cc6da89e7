"""The tables of sites that come with the package: one file an architecture."""
