"""Results in words."""

from circuitscope.pages.words.numbers import signed
from circuitscope.pages.words.path_words import path_sentence, path_share, position_tokens_line
from circuitscope.pages.words.score_words import completeness_name, oddities, score_name
from circuitscope.pages.words.strict_words import strict_lines
from circuitscope.pages.words.visible import token_mark, visible

__all__ = [
    "completeness_name",
    "oddities",
    "path_sentence",
    "path_share",
    "position_tokens_line",
    "score_name",
    "signed",
    "strict_lines",
    "token_mark",
    "visible",
]
