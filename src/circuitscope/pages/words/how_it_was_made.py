"""How a run was made, line by line, and what a reader should be warned of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from circuitscope.pages.page.report_content import Setting
from circuitscope.results import Circuit

GAP_TOLERANCE = 1e-2
_FEW_EXAMPLES = 20
_METHODS = {
    "ig": "integrated gradients",
    "atp": "attribution patching (one gradient)",
    "atp-graddrop": "attribution patching with GradDrop (one gradient per block dropped)",
    "relp": "relevance patching (one backward pass by linear rules)",
    "exact": "exact: one run of the model per node",
}
_EDGES_AT = {"clean": "the clean input", "patch": "the patch input", "both": "both inputs, averaged"}


def settings_of(circuit: Circuit, manifest: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Name and value of what decides the numbers; what is not known is left out."""
    info = circuit.info
    thresholds = info.get("thresholds") or {}
    kept = [
        f"{name} {thresholds[key]:.3g}" for name, key in (("nodes", "node"), ("edges", "edge")) if thresholds
    ]
    pruned = info.get("pruned") or {}
    if pruned:  # its nodes were not chosen by a threshold
        kept = kept[1:]
    layers = info.get("n_layers")
    versions = manifest.get("versions") or {}
    count = info.get("examples")
    lines = {
        "Model": _joined(info.get("model"), layers and f"{layers} layers", _short(info.get("model_hash"))),
        "Dictionaries": _joined(
            info.get("dictionaries"),
            *(f"{count} × {kind}" for kind, count in (info.get("dictionary_kinds") or {}).items()),
            _short(info.get("dictionaries_hash")),
        ),
        "Task": _joined(info.get("task"), count and f"{count} {info.get('split')} examples"),
        "Metric": _joined(info.get("metric"), info.get("metric_shown_as")),
        "Node effects": _method(info),
        "Nodes chosen": f"the smallest found that keeps {pruned['faithfulness']:.0%} of the behaviour on "
        f"{pruned['split']} examples ({pruned['method']})"
        if pruned
        else "",
        "Kept if |mean effect| is above": ", ".join(kept),
        "Edges linearised at": _EDGES_AT.get(str(info.get("edges_at")), ""),
        "Positions": {"keep": "a node per position", "sum": "summed over positions"}.get(
            str(info.get("positions")), ""
        ),
        "Texts begin with a BOS": {True: "yes", False: "no"}.get(info.get("bos"), ""),  # type: ignore[arg-type]
        "Ablated nodes are set to": str(info.get("baseline", "")),
        "Number format": str(info.get("dtype", "")),
        "Discovered": str(manifest.get("created", "")).replace("T", " ").replace("+00:00", " UTC"),
        "Made with": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    return tuple(Setting(name, value) for name, value in lines.items() if value)


def _joined(*parts: Any) -> str:
    return ", ".join(str(part) for part in parts if part)


def _short(digest: Any) -> str:
    return f"content {str(digest)[:12]}" if digest else ""


def _method(info: Mapping[str, Any]) -> str:
    method = str(info.get("method", ""))
    points = info.get("points")
    rule = info.get("rule")
    amount = f"{points} points" if points else "as many points as needed" if rule == "gauss" else ""
    return _joined(_METHODS.get(method, method), rule and f"{rule} rule", amount if method == "ig" else "")


def warnings_of(circuit: Circuit) -> tuple[str, ...]:
    """Whole sentences."""
    info = circuit.info
    found = []
    rough = [site for site, entry in (info.get("quadrature") or {}).items() if entry["gap"] > GAP_TOLERANCE]
    if rough:
        found.append(
            f"The effects at {', '.join(rough)} do not add up to the whole site's effect (quadrature gap above "
            f"{GAP_TOLERANCE:g}): take effects there as rough, or discover again with more points."
        )
    examples = int(info.get("examples") or 0)
    if 0 < examples < _FEW_EXAMPLES:
        found.append(f"Only {examples} examples were used: standard errors are rough, and so is the ranking.")
    silent = len(info.get("silent") or ())
    if silent:
        some = "One node is" if silent == 1 else f"{silent} nodes are"
        found.append(f"{some} silent where edges are linearised, so no edge can be seen going into them.")
    clean, patch = info.get("clean_metric"), info.get("patch_metric")
    if clean is not None and patch is not None and clean <= patch:
        found.append(
            "The model does not prefer the clean answer on the clean texts more than on the patch texts: there "
            "may be no behaviour to explain."
        )
    for score in (circuit.evaluation or {}).get("scores", ()):
        if score["faithfulness"]["value"] is None:
            free = f"{score['free_layers']} free layers" if score["free_layers"] else "nothing free"
            found.append(f"With {free} faithfulness is {score['faithfulness']['why']}.")
    return tuple(found)
