"""The playground in the browser: shows what the rest can do, computes nothing itself."""
