"""Asking models about programs: what is drawn, asked and counted, length by length, hop by hop."""
