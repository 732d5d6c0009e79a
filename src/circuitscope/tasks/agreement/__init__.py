"""Subject-verb agreement: four structures, generated for any tokenizer."""

from circuitscope.tasks.agreement.templates import (
    STRUCTURES,
    agreement_examples,
    held_out_nouns,
    refuse_unknown_structure,
)

__all__ = ["STRUCTURES", "agreement_examples", "held_out_nouns", "refuse_unknown_structure"]
