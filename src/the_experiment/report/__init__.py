"""How results are shown: in the terminal, as plots, as HTML reports. Computes nothing itself."""
