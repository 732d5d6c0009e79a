"""SHIFT on the bundled biographies, beside what was published for Pythia-70M and Gemma-2-2B on Bias in Bios."""
