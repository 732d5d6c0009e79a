"""Bias in Bios (De-Arteaga et al. 2019) as the hub has it: its fields and what its codes mean.

The repository ``LabHC/bias_in_bios`` has three fields: ``hard_text``, a biography without its first sentence, which
names the profession; ``profession``, a code from 0 to 27; ``gender``, 0 for male and 1 for female.
"""

from __future__ import annotations

BIAS_IN_BIOS = "LabHC/bias_in_bios"

TEXT, LABEL, ATTRIBUTE = "hard_text", "profession", "gender"
"""Its fields."""

PROFESSIONS = (
    "accountant", "architect", "attorney", "chiropractor", "comedian", "composer", "dentist", "dietitian", "dj",
    "filmmaker", "interior_designer", "journalist", "model", "nurse", "painter", "paralegal", "pastor",
    "personal_trainer", "photographer", "physician", "poet", "professor", "psychologist", "rapper",
    "software_engineer", "surgeon", "teacher", "yoga_teacher",
)  # fmt: skip
"""The name of each code; alphabetical, so nurse is 13 and professor 21."""

GENDERS = ("male", "female")
"""The name of each code."""

CLASSES = ("professor", "nurse")
"""The two that Marks et al. 2024 tell apart, as label 0 and label 1."""
