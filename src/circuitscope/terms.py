"""The words of the project as types: sites, nodes, axis names, signs.

Nothing here needs more than the standard library, so a saved circuit opens without a model or torch.

Axis names, used in every shape annotation:

* ``batch``: examples; ``position``: token positions, counted from 0 with BOS included;
* ``token``: examples and positions flattened (``batch * position``);
* ``width``: the length of a site's vector; ``feature``: dictionary elements;
* ``row``: downstream rows of an edge computation; ``vocab``: the tokenizer's entries.

Signs. A discovery metric is a *loss* for the clean behaviour, so an effect above 0 means that the node
promotes the clean behaviour (drawn blue) and an effect below 0 that it suppresses it (drawn red).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from circuitscope.errors import BadInput

SITE_KINDS = ("embed", "attn", "mlp", "resid")
"""Kinds of site in the order in which a block computes them."""

ERROR = -1
"""The feature index that stands for a site's error node in arrays."""

SUMMED = -1
"""The position index that stands for "summed over positions" in arrays."""

OUTPUT = "output"
"""The name of the one node that is not a dictionary element: the metric."""

_SITE = re.compile(r"(embed)|(attn|mlp|resid)_(\d+)")
_NODE = re.compile(r"(?P<site>[a-z]+(?:_\d+)?)/(?P<feature>\d+|error)(?:@(?P<position>\d+))?")


@total_ordering
@dataclass(frozen=True)
class Site:
    """A place in the model where a dictionary can be attached; sorts in the order of computation."""

    kind: str
    """One of ``SITE_KINDS``."""
    layer: int
    """The block's index, from 0; -1 for ``embed``, which comes before block 0."""

    def __post_init__(self) -> None:
        if self.kind not in SITE_KINDS or (self.kind == "embed") != (self.layer == -1) or self.layer < -1:
            raise BadInput(
                f"no such site: kind {self.kind!r} in layer {self.layer}",
                expected="embed (layer -1), or attn, mlp or resid with a layer of at least 0",
                mend="write sites as embed, attn_0, mlp_0, resid_0",
            )

    @property
    def name(self) -> str:
        return "embed" if self.kind == "embed" else f"{self.kind}_{self.layer}"

    def __str__(self) -> str:
        return self.name

    def __lt__(self, other: Site) -> bool:
        return (self.layer, SITE_KINDS.index(self.kind)) < (other.layer, SITE_KINDS.index(other.kind))

    @classmethod
    def parse(cls, text: str) -> Site:
        """Read ``embed``, ``attn_3``, ``mlp_3`` or ``resid_3``."""
        match = _SITE.fullmatch(text)
        if match is None:
            raise BadInput(
                f"no such site: {text!r}",
                expected="a name like embed, attn_3, mlp_3 or resid_3",
                mend="check the spelling; layers count from 0",
            )
        return cls("embed", -1) if match[1] else cls(match[2], int(match[3]))


@total_ordering
@dataclass(frozen=True)
class NodeId:
    """A feature or a site's error, at a position or summed over positions.

    Written ``resid_5/1024``, ``resid_5/1024@3``, ``resid_5/error``, ``resid_5/error@3``.
    """

    site: Site
    feature: int
    """The dictionary element's index, or ``ERROR``."""
    position: int = SUMMED
    """The token position from 0 with BOS included, or ``SUMMED``."""

    @property
    def is_error(self) -> bool:
        return self.feature == ERROR

    def __str__(self) -> str:
        feature = "error" if self.is_error else str(self.feature)
        place = "" if self.position == SUMMED else f"@{self.position}"
        return f"{self.site}/{feature}{place}"

    def __lt__(self, other: NodeId) -> bool:
        return (self.site, self.position, self.feature) < (other.site, other.position, other.feature)

    @classmethod
    def parse(cls, text: str) -> NodeId:
        match = _NODE.fullmatch(text)
        if match is None:
            raise BadInput(
                f"no such node: {text!r}",
                expected="SITE/FEATURE, SITE/error, each with an optional @POSITION",
                mend="for example resid_5/1024, resid_5/1024@3 or mlp_0/error",
            )
        feature = ERROR if match["feature"] == "error" else int(match["feature"])
        position = SUMMED if match["position"] is None else int(match["position"])
        return cls(Site.parse(match["site"]), feature, position)
