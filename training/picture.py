"""The README's picture: the circuit across a relative clause, its features labelled by the nouns they are active on.

    python -m training.picture

A feature is labelled by the number of the test nouns on which it is active: ``singular`` or ``plural`` where it is
active on at least 75 percentage points more of the one kind than of the other, else it has no label.
"""

from __future__ import annotations

from pathlib import Path

import torch

import circuitscope as cs
from circuitscope.tasks import make_inputs

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "across_rc.png"
TASK, NODES, EDGES, EXAMPLES = "agreement/across_rc", 30, 70, 160
CLEAR = 0.75


def labels_of(circuit: cs.Circuit, model, dictionaries, task) -> dict[cs.NodeId, str]:
    """The label of every feature that has one."""
    encoded, _ = task.encode("test", model.tokenizer, bos=True, limit=EXAMPLES)
    singular = torch.tensor([example.case.startswith("singular") for example in task.test[:EXAMPLES]])
    tokens = make_inputs(encoded, has_bos=True).clean
    x = model.capture(tokens, dictionaries.taps(model), tokens.last[:, None]).x
    found = {}
    for node in circuit.ids:
        if node.is_error:
            continue
        active = dictionaries[node.site].encode(x[node.site][:, node.position])[:, node.feature] > 0
        more = float(active[singular].double().mean() - active[~singular].double().mean())
        if abs(more) > CLEAR:
            found[node] = "singular" if more > 0 else "plural"
    return found


def main() -> None:
    model = cs.load_model("bundled", device="cpu")
    dictionaries = cs.load_dictionaries("bundled", model)
    task = cs.load_task(TASK, model)
    circuit = cs.discover(model, dictionaries, task, nodes=100)
    labels = labels_of(circuit.strongest(NODES), model, dictionaries, task)
    title = "The model's circuit for the verb in: The pilots that the queens trust …"
    cs.plot(circuit, PICTURE, max_nodes=NODES, max_edges=EDGES, labels=labels, title=title)


if __name__ == "__main__":
    main()
