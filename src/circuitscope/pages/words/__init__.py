"""Results in words."""

from circuitscope.pages.words.comparison_words import attributes_of, classes_of, named_sentence, what_next
from circuitscope.pages.words.numbers import signed
from circuitscope.pages.words.path_words import path_sentence, path_share, position_tokens_line
from circuitscope.pages.words.score_words import completeness_name, oddities, score_name
from circuitscope.pages.words.strict_words import strict_lines
from circuitscope.pages.words.visible import token_mark, visible

__all__ = [
    "attributes_of",
    "classes_of",
    "completeness_name",
    "named_sentence",
    "oddities",
    "path_sentence",
    "path_share",
    "position_tokens_line",
    "score_name",
    "signed",
    "strict_lines",
    "token_mark",
    "visible",
    "what_next",
]
