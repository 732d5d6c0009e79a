"""A circuit as GraphML, which networkx, Gephi, yEd and Cytoscape read: one directed graph with attributes."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree

from circuitscope.pages.words.visible import visible
from circuitscope.results import Circuit
from circuitscope.terms import OUTPUT, SUMMED, NodeId

_NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
_ATTRIBUTES = {
    "node": {
        "site": "string", "feature": "string", "position": "int", "token": "string", "label": "string",
        "effect": "double", "stderr": "double",
    },
    "edge": {"effect": "double", "stderr": "double", "weight": "double"},
}  # fmt: skip


def graphml(circuit: Circuit, labels: Mapping[NodeId, str], headings: Mapping[int, str]) -> bytes:
    """The file's content. The output is a node of its own; ``weight`` is |effect|, for layouts."""
    root = ElementTree.Element("graphml", xmlns=_NAMESPACE)
    for domain, names in _ATTRIBUTES.items():
        for name, kind in names.items():
            key = {"id": f"{domain}-{name}", "for": domain, "attr.name": name, "attr.type": kind}
            ElementTree.SubElement(root, "key", key)
    graph = ElementTree.SubElement(root, "graph", edgedefault="directed")
    nodes, edges = circuit.nodes, circuit.edges
    for node, effect, stderr in zip(circuit.ids, nodes.effect.tolist(), nodes.stderr.tolist(), strict=True):
        values: dict[str, object] = {
            "site": node.site.name,
            "feature": "error" if node.is_error else node.feature,
            "position": None if node.position == SUMMED else node.position,
            "token": headings.get(node.position),
            "label": labels.get(node),
            "effect": effect,
            "stderr": stderr,
        }
        _with_data(ElementTree.SubElement(graph, "node", id=str(node)), "node", values)
    _with_data(ElementTree.SubElement(graph, "node", id=OUTPUT), "node", {"label": OUTPUT})
    names_of = [*map(str, circuit.ids), OUTPUT]
    for source, target, effect, stderr in zip(
        edges.source, edges.target, edges.effect.tolist(), edges.stderr.tolist(), strict=True
    ):
        edge = ElementTree.SubElement(graph, "edge", source=names_of[source], target=names_of[target])
        _with_data(edge, "edge", {"effect": effect, "stderr": stderr, "weight": abs(effect)})
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _with_data(parent: ElementTree.Element, domain: str, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        if value is not None:
            # XML allows no control characters, not even escaped: visible() has a mark for each.
            text = repr(value) if isinstance(value, float) else visible(str(value))
            ElementTree.SubElement(parent, "data", key=f"{domain}-{name}").text = text
