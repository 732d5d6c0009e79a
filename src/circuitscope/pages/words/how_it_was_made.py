"""How a run was made, line by line, and what a reader should be warned of."""

from __future__ import annotations

from typing import Any

from circuitscope.config import DiscoverySettings
from circuitscope.pages.report_content import RunOrigin, Setting
from circuitscope.results import (
    SECANT,
    Circuit,
    Findings,
    PruneChoice,
    Recipe,
    behaviour_doubts,
    contrasting,
    free_layers_text,
)

GAP_TOLERANCE = 1e-2
_METHODS = {
    "ig": "integrated gradients",
    "atp": "attribution patching (one gradient)",
    "atp-graddrop": "attribution patching with GradDrop (one gradient per block dropped)",
    "relp": "relevance patching (one backward pass by linear rules)",
    "exact": "exact: one run of the model per node",
}
_EDGES = {
    "secant": "shares of what happens between clean and patch (secant); they add up to a node's effect",
    "clean": "derivatives at the clean input",
    "patch": "derivatives at the patch input",
    "both": "derivatives at both inputs, averaged",
}


def settings_of(circuit: Circuit, run: RunOrigin) -> tuple[Setting, ...]:
    """Name and value of what determines the numbers; what is not known is left out."""
    lines = {
        **(_of_recipe(circuit, circuit.recipe) if circuit.recipe else {}),
        "Discovered": run.created.replace("T", " ").replace("+00:00", " UTC"),
        "Made with": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    return tuple(Setting(name, value) for name, value in lines.items() if value)


def _of_recipe(circuit: Circuit, recipe: Recipe) -> dict[str, str]:
    settings, found = recipe.settings, circuit.findings
    model, dictionaries = recipe.model, recipe.dictionaries
    return {
        "Model": _joined(model.name, model.n_layers and f"{model.n_layers} layers", _short(model.hash)),
        "Dictionaries": _joined(
            dictionaries.name,
            *(f"{count} × {kind}" for kind, count in dictionaries.kinds.items()),
            _short(dictionaries.hash),
        ),
        "Task": _joined(recipe.task.name, found.examples and f"{found.examples} {settings.split} examples"),
        "Metric": _joined(settings.metric, recipe.metric_shown_as),
        "Node effects": _method(settings),
        "Nodes chosen": _chosen(found.pruned),
        "Kept if |mean effect| is above": _thresholds(found),
        "Edges": _EDGES.get(settings.edges_at, settings.edges_at),
        "Positions": "a node per position" if settings.keeps_positions else "summed over positions",
        "Texts begin with a BOS": "yes" if settings.has_bos else "no",
        "Ablated nodes are set to": settings.baseline,
        "Number format": model.dtype,
    }


def _chosen(pruned: PruneChoice | None) -> str:
    if pruned is None:
        return ""
    if pruned.method == "flow":
        return f"those that carry {pruned.faithfulness:.0%} of the flow through the circuit's edges"
    return (
        f"the smallest found that keeps {pruned.faithfulness:.0%} of the behaviour on "
        f"{pruned.split} examples ({pruned.method})"
    )


def _thresholds(found: Findings) -> str:
    kept = []
    if found.node_threshold is not None and found.pruned is None:  # else no threshold chose its nodes
        kept.append(f"nodes {found.node_threshold:.3g}")
    if found.edge_threshold is not None:
        kept.append(f"edges {found.edge_threshold:.3g}")
    return ", ".join(kept)


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part)


def _short(digest: str) -> str:
    return f"content {digest[:12]}" if digest else ""


def _method(settings: DiscoverySettings) -> str:
    method, points, rule = settings.method, settings.points, settings.rule
    if method != "ig":
        return _METHODS.get(method, method)
    amount = f"{points} points" if points else "as many points as needed" if rule == "gauss" else ""
    return _joined(_METHODS[method], f"{rule} rule", amount)


def doubts_about(circuit: Circuit) -> tuple[str, ...]:
    """Why there may be no behaviour to explain, or too few examples of it."""
    known = circuit.findings
    metric = "" if circuit.recipe is None else circuit.recipe.settings.metric
    return behaviour_doubts(
        examples=known.examples,
        right=known.right,
        clean=known.clean_metric if contrasting(metric) else None,
        contrasts=known.patch_metric is not None or contrasting(metric),
    )


def warnings_of(circuit: Circuit) -> tuple[str, ...]:
    """Whole sentences."""
    known = circuit.findings
    found = list(doubts_about(circuit))
    rough = [site for site, entry in known.quadrature.items() if entry.gap > GAP_TOLERANCE]
    if rough:
        found.append(
            f"The effects at {', '.join(rough)} do not add up to the whole site's effect (quadrature gap above "
            f"{GAP_TOLERANCE:g}): treat the effects there as rough, or discover again with more points."
        )
    if circuit.recipe is not None and circuit.recipe.settings.edges_at == SECANT:
        loose = [site for site, edge in known.edge_gaps.items() if edge.gap > GAP_TOLERANCE]
        if loose:
            found.append(
                f"The edges into {', '.join(loose)} do not add up to the nodes' effects (edge gap above "
                f"{GAP_TOLERANCE:g}): treat them as rough, or discover again with more edge points."
            )
    silent = len(known.silent)
    if silent:
        some = "One node is" if silent == 1 else f"{silent} nodes are"
        found.append(f"{some} silent where edges are taken, so no edges into such nodes can be seen.")
    clean, patch = known.clean_metric, known.patch_metric
    if clean is not None and patch is not None and clean <= patch:
        found.append(
            "The model prefers the clean answer no more on the clean texts than on the patch texts: there may be "
            "no behaviour to explain."
        )
    for score in circuit.evaluation.scores if circuit.evaluation else ():
        if score.faithfulness.value is None:
            free = free_layers_text(score.free_layers) if score.free_layers else "nothing free"
            found.append(f"With {free} faithfulness is {score.faithfulness.why}.")
    return tuple(found)
