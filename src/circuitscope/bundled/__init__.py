"""The bundled model and its dictionaries: where they are in the package.

``--model bundled --dictionaries bundled`` works without a network. The model is a GPT-NeoX of 4 layers trained
on the language of ``circuitscope.tasks.language``; ``make bundled`` makes both again.
"""

from __future__ import annotations

from pathlib import Path

BUNDLED = "bundled"
"""What the model and its dictionaries are called on the command line and in Python."""
BUNDLED_MODEL = Path(__file__).with_name("model")
BUNDLED_DICTIONARIES = Path(__file__).with_name("dictionaries")
BUNDLED_VERDICTS = Path(__file__).with_name("shift_verdicts.csv")
"""A sheet of SHIFT on the bundled biographies, filled in by reading each feature's contexts."""
