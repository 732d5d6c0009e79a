"""Arguments of the wrong type, or in the wrong order, are refused by name and never fail somewhere inside.

The tests' own checks of types would refuse them first, so the public functions are called in a process without these.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from circuitscope.errors import BadInput, expect

TESTS = Path(__file__).resolve().parents[1]

CALLS = {
    "ablate, swapped": "cs.ablate(dictionaries, model, ['mlp_1/3'])",
    "ablate, nodes first": "cs.ablate(model, ['mlp_1/3'], dictionaries)",
    "ablate, one number": "cs.ablate(model, dictionaries, 3)",
    "ablate, a number as a node": "cs.ablate(model, dictionaries, [3])",
    "ablate, a word as a value": "cs.ablate(model, dictionaries, ['mlp_1/3'], 'mean')",
    "ablate, a plain model": "cs.ablate(model.hf, dictionaries, ['mlp_1/3'])",
    "scale, swapped": "cs.scale(dictionaries, model, {'mlp_1/3': 2})",
    "scale, a list": "cs.scale(model, dictionaries, ['mlp_1/3'])",
    "scale, nothing as a factor": "cs.scale(model, dictionaries, {'mlp_1/3': None})",
    "steer, swapped": "cs.steer(model, {'mlp_1/3': 2}, dictionaries)",
    "steer, dictionaries as amounts": "cs.steer(model, dictionaries, dictionaries)",
    "evaluate, model first": "cs.evaluate(model, dictionaries, 'agreement/simple', circuit)",
    "evaluate, a path": "cs.evaluate('runs/simple')",
    "evaluate, task for dictionaries": "cs.evaluate(circuit, model, 'agreement/simple')",
    "sweep, model first": "cs.sweep(model, dictionaries, 'agreement/simple', circuit)",
    "paths, a path": "cs.paths('runs/x')",
    "paths, a count in words": "cs.paths(circuit, count='3')",
    "prune, model first": "cs.prune(model, dictionaries, 'agreement/simple', circuit)",
    "group, model first": "cs.group(model, dictionaries, 'agreement/simple', circuit)",
    "group, a number as a task": "cs.group(circuit, model, dictionaries, 3)",
    "discover, swapped": "cs.discover(dictionaries, model, 'agreement/simple')",
    "discover, task first": "cs.discover('agreement/simple', model, dictionaries)",
    "discover, a number as a task": "cs.discover(model, dictionaries, 3)",
    "node_effects, swapped": "cs.node_effects(model, dictionaries, LOGIT_DIFFERENCE, inputs)",
    "node_effects, a task": "cs.node_effects(model, dictionaries, 'agreement/simple', LOGIT_DIFFERENCE)",
    "node_effects, a metric's name": "cs.node_effects(model, dictionaries, inputs, 'auto')",
    "edge_effects, inputs": "cs.edge_effects(model, dictionaries, inputs, {})",
    "edge_effects, swapped": "cs.edge_effects(model, dictionaries, {}, effects)",
    "find_contexts, text first": "cs.behaviours.find_contexts('a text', model)",
    "find_contexts, dictionaries as text": "cs.behaviours.find_contexts(model, dictionaries, context=8, bos='no')",
    "find_contexts, a number as text": "cs.behaviours.find_contexts(model, 3)",
    "make_vectors, swapped": "cs.behaviours.make_vectors(dictionaries, model, [], 'x')",
    "make_vectors, a list of texts": "cs.behaviours.make_vectors(model, dictionaries, ['a text'], 'x')",
    "find_clusters, contexts first": "cs.behaviours.find_clusters(contexts, vectors)",
    "find_clusters, rows for vectors": "cs.behaviours.find_clusters(vectors.rows(), contexts)",
    "edge_effects, a list": "cs.edge_effects(model, dictionaries, effects, [])",
}

SCRIPT = """
import json, sys
import numpy as np
import circuitscope as cs
from circuitscope.results import Edges, Nodes
from circuitscope.tasks.metrics import LOGIT_DIFFERENCE
from planted_clusters import contexts_of
from toys import toy_dictionaries, toy_inputs, toy_model

model = toy_model("neox-parallel")
dictionaries = toy_dictionaries(model, "relu", [cs.Site("mlp", 1)])
inputs = toy_inputs([4, 4])
effects = cs.node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method="atp")
circuit = cs.Circuit(tuple(dictionaries), Nodes.none(), Edges.none())
contexts = contexts_of([[1, 2], [3]], [4, 5])
vectors = cs.behaviours.Vectors.of(np.eye(2))
said = {}
for name, call in json.load(sys.stdin).items():
    try:
        eval(call)
        said[name] = ["nothing", ""]
    except Exception as error:
        said[name] = [type(error).__name__, str(error)]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said() -> dict[str, list[str]]:
    """For each call the class of its error, and what it says."""
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps(CALLS), env=os.environ | {"PYTHONPATH": path},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_every_wrong_call_is_refused(said):
    others = [f"{name}: {kind}: {text}" for name, (kind, text) in said.items() if kind != "BadInput"]
    assert not others, "\n".join(others)
    assert len(said) == len(CALLS)


@pytest.mark.parametrize(
    ("name", "got", "expected", "mend"),
    [
        (
            "ablate, swapped",
            "model is of type Dictionaries",
            "load_model",
            "ablate(model, dictionaries, nodes",
        ),
        (
            "scale, a list",
            "factors is of type list",
            "a mapping",
            "scale(model, dictionaries, {node: factor})",
        ),
        (
            "evaluate, model first",
            "circuit is of type LanguageModel",
            "discover or load",
            "evaluate(circuit, ",
        ),
        (
            "group, model first",
            "circuit is of type LanguageModel",
            "discover or load",
            "group(circuit, model",
        ),
        ("discover, a number as a task", "task is of type int", "load_task", "discover(model, dictionaries,"),
        ("edge_effects, swapped", "effects is of type dict", "node_effects", "edge_effects(model, dictiona"),
    ],
)
def test_it_says_what_was_got_and_how_to_call(said, name, got, expected, mend):
    text = said[name][1].splitlines()
    assert text[0] == got
    assert expected in text[1]
    assert mend in text[2]


def test_expect_takes_what_it_expects():
    expect("a", str, "word")
    expect(None, str | None, "word")
    expect({}, dict | list, "words")
    with pytest.raises(BadInput, match=r"word is of type int\nexpected: its name or bytes\n.*say\(word\)"):
        expect(3, str | bytes | None, "word", "say(word)")
