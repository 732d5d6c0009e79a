"""The methods but the default one discover circuits of the bundled model, of nodes that matter."""

from __future__ import annotations

import pytest

import circuitscope as cs

METHODS = ("exact", "atp", "atp-graddrop", "relp")


@pytest.fixture(scope="module")
def circuits():
    model = cs.load_model("bundled", device="cpu")
    dictionaries = cs.load_dictionaries("bundled", model)
    return {
        method: cs.discover(
            model, dictionaries, "agreement/simple", examples=4, nodes=30, method=method, batch_size=4
        )
        for method in METHODS
    }


@pytest.mark.parametrize("method", METHODS)
def test_a_circuit_by_any_method(circuits, method):
    circuit = circuits[method]
    assert circuit.info["method"] == method
    assert len(circuit.nodes) == 30
    into_output = circuit.edges.target == -1
    assert into_output.any()
    assert (~into_output).any()


@pytest.mark.parametrize("method", ["atp", "atp-graddrop"])
def test_the_strongest_nodes_are_those_of_exact(circuits, method):
    """Measured: 26 of 30 with both."""
    truth, found = (set(map(str, circuits[name].ids)) for name in ("exact", method))
    assert len(truth & found) >= 23


def test_relp_is_a_method_of_its_own(circuits):
    relp, atp = (set(map(str, circuits[name].ids)) for name in ("relp", "atp"))
    assert relp != atp
    assert len(relp & atp) >= 10
