"""First names, and countries with their capitals."""
