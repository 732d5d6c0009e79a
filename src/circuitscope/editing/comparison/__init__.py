"""What SHIFT is compared with: the published baselines and skylines, and what its critics ask for.

* ``setup``: what every row works on; a row's predictions are kept as soon as they are made;
* ``choosers``: which features to take out, by the circuit and in simpler ways;
* ``rows``: the table, a function per row;
* ``concepts``: concept bottleneck probing;
* ``figures``: all rows and curves over several seeds, as figures.
"""

from circuitscope.editing.comparison.choosers import CHOOSERS
from circuitscope.editing.comparison.counts import ComparisonCount, comparison_count
from circuitscope.editing.comparison.figures import SeedFigures, compare, figures_of, joined
from circuitscope.editing.comparison.setup import AutomaticJudge, ComparisonSetup, Feature, Verdicts
from circuitscope.editing.comparison.words import CONCEPTS, CUE_WORDS, concepts_of, cue_words_of

__all__ = [
    "CHOOSERS",
    "CONCEPTS",
    "CUE_WORDS",
    "AutomaticJudge",
    "ComparisonCount",
    "ComparisonSetup",
    "Feature",
    "SeedFigures",
    "Verdicts",
    "compare",
    "comparison_count",
    "concepts_of",
    "cue_words_of",
    "figures_of",
    "joined",
]
