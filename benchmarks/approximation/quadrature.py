"""How wrong integrated gradients are, in two parts that are kept apart.

    python -m benchmarks.approximation.quadrature --model M --dictionaries D --task T

* The quadrature error is what a rule with few points makes of the integral: its difference from 64 Gauss
  points. ``atp`` is listed with the rules, since it is one gradient at the clean end.
* The method error is what the integral itself makes of the true effect: the difference of 64 Gauss points from
  ``exact``, which replaces one node and leaves the others. The error of ``atp`` is beside it.

Everything runs in float64, one example at a time. Errors are given twice, as median and 90th percentile:

* of an effect: relative to that effect, for those of at least 1% of the largest of their site and example;
* of a site: the largest error of a site and example, relative to its largest effect.

The last columns are the quadrature gap that circuitscope reports, and the rank correlation of gap and site
error over sites and examples: whether the gap tells where a rule is wrong.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from circuitscope.dictionaries import Dictionaries
from circuitscope.effects import NodeEffects, node_effects
from circuitscope.model import LanguageModel
from circuitscope.model.bos import decide_bos
from circuitscope.pipeline import Loaded, load_parts
from circuitscope.tasks import Inputs, Metric, make_inputs, metric_named
from circuitscope.terms import Site

RULES = (
    ("atp (1 gradient)", "left", 1),
    ("left-10", "left", 10),
    ("midpoint-10", "midpoint", 10),
    ("Gauss-2", "gauss", 2),
    ("Gauss-3", "gauss", 3),
    ("Gauss-4", "gauss", 4),
    ("Gauss-6", "gauss", 6),
    ("Gauss-12", "gauss", 12),
    ("Gauss as needed", "gauss", None),
)
"""Name, rule and points; one point of ``left`` is attribution patching, and unlike ``atp`` has a gap."""

REFERENCE_POINTS = 64
WORTH_COUNTING = 0.01
"""Share of a site's largest effect from which the relative error of an effect is counted."""

Array = NDArray[np.float64]
out = Console()


def main() -> None:
    options = parse()
    parts = load_parts(options.model, options.dictionaries, options.task, device="cpu", dtype="float64")
    rules: dict[str, Errors] = {name: Errors() for name, _, _ in RULES}
    methods = {"64 Gauss points": Errors(), "atp": Errors()}
    for inputs in track(list(examples(parts, options.examples)), "examples", console=Console(stderr=True)):
        measure(parts, inputs, rules, methods, exact=not options.no_exact)
    table = Table("quadrature error", *Errors.HEADINGS)
    for name, errors in rules.items():
        table.add_row(name, *errors.cells())
    out.print(table)
    if not options.no_exact:
        table = Table("error against exact", *Errors.HEADINGS[:4])
        for name, errors in methods.items():
            table.add_row(name, *errors.cells()[:4])
        out.print(table)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", required=True, help="a small model: HuggingFace id or folder")
    parser.add_argument("--dictionaries", default="identity", help="folder, or identity (default)")
    parser.add_argument("--task", required=True, help="task of pairs: a file, a folder, or agreement/NAME")
    parser.add_argument("--examples", type=int, default=8, help="examples (default: 8)")
    parser.add_argument(
        "--no-exact", action="store_true", help="leave the method error away; it takes longest"
    )
    return parser.parse_args()


def examples(parts: Loaded, count: int) -> Iterator[Inputs]:
    """The first usable training examples, one at a time."""
    tokenizer: Any = parts.model.tokenizer
    bos = decide_bos("auto", parts.dictionaries.prepend_bos, tokenizer)
    encoded, _ = parts.task.encode("train", tokenizer, bos=bos, limit=count)
    return (make_inputs([example], has_bos=bos) for example in encoded)


class Errors:
    """Errors of one approximation, collected over sites and examples."""

    HEADINGS = ("effect: 50%", "90%", "site: 50%", "90%", "gap: 50%", "rank")

    def __init__(self) -> None:
        self.of_effects: list[Array] = []
        self.of_sites: list[float] = []
        self.gaps: list[float] = []

    def add(self, guess: Array, truth: Array, gap: float | None) -> None:
        """One site of one example."""
        largest = np.abs(truth).max(initial=0.0)
        if largest == 0:
            return
        error = np.abs(guess - truth)
        counts = np.abs(truth) >= WORTH_COUNTING * largest
        self.of_effects.append(error[counts] / np.abs(truth[counts]))
        self.of_sites.append(float(error.max() / largest))
        self.gaps.append(np.nan if gap is None else gap)

    def cells(self) -> list[str]:
        effects, sites, gaps = np.concatenate(self.of_effects), np.array(self.of_sites), np.array(self.gaps)
        figures = [f"{np.quantile(values, level):.1e}" for values in (effects, sites) for level in (0.5, 0.9)]
        if np.isnan(gaps).any():
            return [*figures, "", ""]
        return [*figures, f"{np.median(gaps):.1e}", f"{rank_correlation(gaps, sites):.2f}"]


def rank_correlation(first: Array, second: Array) -> float:
    """Spearman's, for values without ties."""
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(ranks)[0, 1])


@dataclass(frozen=True)
class Setting:
    """What every call shares."""

    model: LanguageModel
    dictionaries: Dictionaries
    inputs: Inputs
    metric: Metric

    def effects(self, **how: Any) -> NodeEffects:
        return node_effects(self.model, self.dictionaries, self.inputs, self.metric, **how)


def measure(
    parts: Loaded, inputs: Inputs, rules: dict[str, Errors], methods: dict[str, Errors], *, exact: bool
) -> None:
    """Add one example's errors."""
    setting = Setting(parts.model, parts.dictionaries, inputs, metric_named("auto", pairs=inputs.is_pair))
    reference = setting.effects(rule="gauss", points=REFERENCE_POINTS)
    for name, rule, points in RULES:
        collect(rules[name], setting.effects(rule=rule, points=points), reference)
    if exact:
        truth = setting.effects(method="exact")
        collect(methods["64 Gauss points"], reference, truth)
        collect(methods["atp"], setting.effects(method="atp"), truth)


def collect(errors: Errors, guess: NodeEffects, truth: NodeEffects) -> None:
    """Add the errors of every site."""
    for site, side in guess.sites.items():
        errors.add(values(guess, site), values(truth, site), side.gap)


def values(effects: NodeEffects, site: Site) -> Array:
    """Effects of a site's features and errors, in one fixed order."""
    side = effects.sites[site]
    found = np.concatenate([side.feature_effect.numpy(), side.error_effect.flatten().numpy()])
    return np.asarray(found, dtype=np.float64)


if __name__ == "__main__":
    main()
