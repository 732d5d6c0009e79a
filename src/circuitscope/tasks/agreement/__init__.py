"""Subject-verb agreement: four structures, generated for any tokenizer."""

from circuitscope.tasks.agreement.templates import STRUCTURES, agreement_examples

__all__ = ["STRUCTURES", "agreement_examples"]
