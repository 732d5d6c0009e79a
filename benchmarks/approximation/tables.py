"""The Markdown of this room's figures: means over the behaviours of each model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from benchmarks.approximation.scores import TOPS, mean
from benchmarks.results import markdown_table

Entry = dict[str, Any]

BY_SITE = ("atp", "atp-graddrop", "relp", "ig (default)")


@dataclass(frozen=True)
class Section:
    """One table with what it shows."""

    title: str
    sentence: str
    header: list[str]
    rows: list[list[str]]

    @property
    def markdown(self) -> str:
        return f"### {self.title}\n\n{self.sentence}\n\n{markdown_table(self.header, self.rows)}"

    @property
    def rich(self) -> Table:
        table = Table(*self.header, title=self.title, caption=self.sentence, title_justify="left")
        for row in self.rows:
            table.add_row(*row)
        return table


def tables(figures: dict[str, Any]) -> str:
    """All tables in Markdown, with headings of level 3."""
    skipped = [f"{reason[0].upper()}{reason[1:]}.\n" for reason in figures.get("skipped", ())]
    return "\n".join([*(section.markdown for section in sections(figures)), *skipped])


def sections(figures: dict[str, Any]) -> Iterator[Section]:
    """Nodes, nodes by site and edges of each model."""
    for model in names(figures["nodes"], "model"):
        nodes = [entry for entry in figures["nodes"] if entry["model"] == model]
        edges = [entry for entry in figures["edges"] if entry["model"] == model]
        yield node_table(model, nodes)
        yield site_table(model, nodes)
        yield edge_table(model, edges)


def node_table(model: str, entries: list[Entry]) -> Section:
    behaviours = names(entries, "behaviour")
    rows = []
    for method in names(entries, "method"):
        some = [entry for entry in entries if entry["method"] == method]
        quadrature = [entry.get("quadrature") for entry in some]
        against = [entry.get("method_error") for entry in some]
        rows.append(
            [
                method,
                number(average(some, lambda entry: entry["seconds"])),
                number(average(quadrature, lambda scores: scores["all"]["effect_50"])),
                number(average(quadrature, lambda scores: scores["all"]["effect_90"])),
                number(average(against, lambda scores: scores["all"]["effect_50"])),
                number(average(against, lambda scores: scores["all"]["effect_90"])),
                plain(average(against, lambda scores: scores["all"]["rank_correlation"])),
                recalls(against, "all"),
                recalls(against, "mean"),
            ]
        )
    header = [
        "method",
        "seconds",
        "quadrature error: median",
        "90 %",
        "method error: median",
        "90 %",
        "rank correlation",
        f"recall of top {tops()}, by example",
        "of the means over examples",
    ]
    examples, counts = entries[0]["examples"], sorted({entry["nodes"] for entry in entries})
    return Section(
        f"Node effects, {model}",
        f"Means over {listed(behaviours)}, {examples} examples each, with {spread(counts)} nodes at tokens per "
        f"behaviour, all of them computed by `exact`. The quadrature error is against 64 Gauss points, the method "
        f"error against `exact`; both are relative to the effect, for effects of at least 1 % of the largest of "
        f"their example. Seconds are processor time in one thread for all examples of a behaviour, in float32.",
        header,
        rows,
    )


def site_table(model: str, entries: list[Entry]) -> Section:
    def of(method: str, part: str, site: str, score: Callable[[Entry], Any]) -> str:
        some = [entry for entry in entries if entry["method"] == method]
        return number(average(some, lambda entry: score(entry[part]["sites"][site])))

    sites = list(entries[0]["method_error"]["sites"])
    rows = [
        [
            site,
            *(of(method, "quadrature", site, lambda scores: scores["effect_50"]) for method in
              ("ig left-10", "ig gauss-3", "ig (default)")),
            *(of(method, "method_error", site, lambda scores: scores["effect_50"]) for method in BY_SITE),
            *(of(method, "method_error", site, lambda scores: scores["recall"]["10"]) for method in BY_SITE),
        ]
        for site in sites
    ]  # fmt: skip
    header = [
        "site",
        *(f"quadrature error: {name}" for name in ("left-10", "gauss-3", "default")),
        *(f"method error: {name}" for name in BY_SITE),
        *(f"recall of top 10: {name}" for name in BY_SITE),
    ]
    return Section(
        f"Node effects by site, {model}",
        "Median errors and the recall of a site's true top 10, as above.",
        header,
        rows,
    )


def edge_table(model: str, entries: list[Entry]) -> Section:
    rows = []
    for method in names(entries, "method"):
        for at in names(entries, "at"):
            some = [entry for entry in entries if (entry["method"], entry["at"]) == (method, at)]
            rows.append(
                [
                    method,
                    at,
                    number(average(some, lambda entry: entry["seconds"])),
                    number(average(some, lambda entry: entry["edge_gap"])),
                    *(
                        number(average(some, lambda entry, group=group: entry[group].get("amount_off")))
                        for group in ("linearisation", "all", "into_active", "into_silent")
                    ),
                    plain(average(some, lambda entry: entry["all"]["rank_correlation"])),
                    recalls(some, "all"),
                    recalls(some, "into_silent"),
                ]
            )
    header = [
        "gradients by",
        "edges at",
        "seconds",
        "edge gap",
        "off from exact change × gradient",
        "off from exact",
        "into active at clean",
        "into silent at clean",
        "rank correlation",
        f"recall of top {tops()}",
        "of those into silent",
    ]
    share = average(entries, lambda entry: entry["silent_share"]) or 0.0
    unmoved = average(entries, lambda entry: entry["silent_unmoved"]) or 0.0
    counts = sorted({entry["edges"] for entry in entries})
    return Section(
        f"Edge effects, {model}",
        f"Means over {listed(names(entries, 'behaviour'))}: {spread(counts)} edges between the {entries[0]['nodes']} "
        f"strongest nodes of each example, against exact edge effects. {share:.0%} of Σ|exact effect| goes into "
        f"features that are silent at clean; {unmoved:.0%} of the edges into them carry exactly nothing. "
        f"Off is Σ|difference| / Σ|exact|, so 1 is what leaving all edges out "
        f"gives. The edge gap is how far the in-edges of these nodes, from all nodes, are from adding up to their "
        "effects, relative to those. `active` is not a choice of `--edges-at`: at clean into what is active there, "
        "else at patch.",
        header,
        rows,
    )


# -- words and numbers ---------------------------------------------------------------------------------


def names(entries: Iterable[Entry], key: str) -> list[str]:
    """The different values of a key, in order."""
    return list(dict.fromkeys(entry[key] for entry in entries))


def average(entries: Sequence[Any], of: Callable[[Any], float | None]) -> float | None:
    """Mean over the entries that there are, and that have the figure."""
    return mean([of(entry) for entry in entries if entry is not None])


def recalls(entries: Sequence[Any], group: str) -> str:
    found = [
        average(entries, lambda scores, top=top: scores[group].get("recall", {}).get(str(top)))
        for top in TOPS
    ]
    return "" if all(value is None for value in found) else " / ".join(plain(value) or "–" for value in found)


def number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2g}" if value == 0 or abs(value) >= 0.01 else f"{value:.0e}".replace("e-0", "e-")


def plain(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def tops() -> str:
    return " / ".join(map(str, TOPS))


def listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def spread(counts: Sequence[int]) -> str:
    few, many = f"{counts[0]:,}", f"{counts[-1]:,}"
    return few if few == many else f"{few} to {many}"
