"""Results in words."""

from circuitscope.pages.words.strict_words import strict_lines
from circuitscope.pages.words.visible import token_mark, visible

__all__ = ["strict_lines", "token_mark", "visible"]
