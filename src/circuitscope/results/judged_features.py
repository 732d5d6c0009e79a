"""A feature with what a person judges it by, and the verdict, as plain values.

The feature is shown on texts without their labels, and never on those that scores are measured on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from circuitscope.errors import BadInput
from circuitscope.results import FeatureContexts, FeatureDashboard, TokenContext, TokenWeight
from circuitscope.results.circuit import Circuit
from circuitscope.terms import NodeId, Site

VERDICTS = ("keep", "remove", "unsure")
"""``keep`` is about the task, ``remove`` is not, ``unsure`` cannot be said; what is unsure stays in the model."""

AUTOMATIC = "automatic: "
"""How the name of a judge that is not a person begins."""

GENERAL, TRAINING = "general text", "training texts"
"""Where a context is from: in the training texts label and attribute always agree, in general text they need not."""

_BEFORE, _AFTER = 24, 12
"""Tokens shown on either side of the token with the highest activation."""
_CUT = "…"


@dataclass(frozen=True)
class MarkedContext:
    """A stretch of text with the token on which a feature is most active in it."""

    before: str
    token: str
    after: str
    activation: float
    """The feature's activation on that token, to four digits."""
    source: str = ""
    """``GENERAL`` or ``TRAINING``, the text that it is from; empty where a sheet does not say."""

    @classmethod
    def of(cls, context: TokenContext, source: str = "") -> MarkedContext:
        """The neighbourhood of a context's peak; what was cut off is marked by ``…``."""
        first, last = max(0, context.peak - _BEFORE), context.peak + 1 + _AFTER
        before, after = context.tokens[first : context.peak], context.tokens[context.peak + 1 : last]
        return cls(
            _CUT * (first > 0) + "".join(before),
            context.peak_token,
            "".join(after) + _CUT * (last < len(context.tokens)),
            short(context.highest),
            source,
        )


@dataclass(frozen=True)
class JudgedFeature:
    """A row of a sheet."""

    site: Site
    feature: int
    effect: float
    """Mean effect in the classifier's circuit, to four digits; above 0 promotes the true class."""
    contexts: tuple[MarkedContext, ...]
    """By decreasing activation; those from general text before those from the training texts."""
    promoted: tuple[TokenWeight, ...]
    """The tokens whose logits its write vector raises most, largest weight first."""
    suppressed: tuple[TokenWeight, ...]
    """Those that it lowers most."""
    verdict: str = ""
    """One of ``VERDICTS``, or empty until someone has judged."""
    note: str = ""
    """Why, in the judge's words."""
    who: str = ""
    """Who judged; an automatic judge's name begins with ``AUTOMATIC``."""
    when: str = ""
    """When, in ISO 8601 with a time zone; empty where the sheet was filled by hand."""

    @property
    def name(self) -> str:
        """``resid_3/1024``."""
        return str(NodeId(self.site, self.feature))

    @property
    def automatic(self) -> bool:
        return self.who.startswith(AUTOMATIC)


def short(value: float) -> float:
    """A number to four digits: enough to read, short in a cell."""
    return float(f"{value:.4g}")


def effects_of(circuit: Circuit) -> dict[tuple[Site, int], float]:
    """The circuit's features with their effects, positions summed, by decreasing |effect|; errors are left out."""
    found: dict[tuple[Site, int], float] = {}
    for node, effect in zip(circuit.ids, circuit.nodes.effect.tolist(), strict=True):
        if not node.is_error:
            key = (node.site, node.feature)
            found[key] = found.get(key, 0.0) + effect
    return dict(sorted(found.items(), key=lambda item: (-abs(item[1]), item[0])))


def to_judge(
    circuit: Circuit,
    dashboards: Sequence[FeatureDashboard],
    *,
    source: str = "",
    general: Mapping[tuple[Site, int], FeatureContexts] | None = None,
) -> list[JudgedFeature]:
    """The features of a circuit, strongest first, with blank verdicts.

    Args:
        dashboards: one for each of them, in any order.
        source: where their contexts are from, ``TRAINING`` or ``GENERAL``; empty to leave it open.
        general: contexts from general text, which come first.

    Raises:
        BadInput: a feature has no dashboard.
    """
    shown = {(Site.parse(item.site), item.feature): item for item in dashboards}
    effects = effects_of(circuit)
    missing = [str(NodeId(*feature)) for feature in effects if feature not in shown]
    if missing:
        raise BadInput(
            f"there is no dashboard for {missing[0]}" + f" and {len(missing) - 1} more" * (len(missing) > 1),
            expected="contexts and promoted tokens of each of the circuit's features",
        )
    before = general or {}
    return [
        _blank(*feature, effect, shown[feature], source, before.get(feature))
        for feature, effect in effects.items()
    ]


def _blank(
    site: Site,
    feature: int,
    effect: float,
    dashboard: FeatureDashboard,
    source: str,
    general: FeatureContexts | None,
) -> JudgedFeature:
    raised, lowered = (
        tuple(TokenWeight(item.token, short(item.weight)) for item in side)
        for side in (dashboard.tokens.raised, dashboard.tokens.lowered)
    )
    contexts = [MarkedContext.of(context, source) for context in dashboard.contexts.contexts]
    if general is not None:
        contexts = [*(MarkedContext.of(context, GENERAL) for context in general.contexts), *contexts]
    return JudgedFeature(site, feature, short(effect), tuple(contexts), raised, lowered)


def counts(features: Sequence[JudgedFeature]) -> Mapping[str, int]:
    """How many features have each verdict; the empty one last."""
    verdicts = [item.verdict for item in features]
    return {verdict: verdicts.count(verdict) for verdict in (*VERDICTS, "")}


def task_of(circuit: Circuit) -> str:
    """The task that verdicts on a circuit are for: what is not about one task may be what another is about."""
    return circuit.recipe.task.name if circuit.recipe else ""


def dictionary_of(circuit: Circuit, site: Site) -> str:
    """The content hash that verdicts on a site's features belong to; empty where the circuit knows none.

    It is that of the site's own dictionary, so that verdicts hold for every circuit that uses it; a circuit that only
    knows the hash of all its dictionaries together gives that one.
    """
    if circuit.recipe is None:
        return ""
    source = circuit.recipe.dictionaries
    return source.by_site.get(site.name) or source.hash


__all__ = [
    "AUTOMATIC",
    "GENERAL",
    "TRAINING",
    "VERDICTS",
    "JudgedFeature",
    "MarkedContext",
    "counts",
    "dictionary_of",
    "effects_of",
    "short",
    "task_of",
    "to_judge",
]
