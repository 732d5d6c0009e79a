"""How well circuits that are known are found again: planted ones, and hidden variables of the bundled language."""
