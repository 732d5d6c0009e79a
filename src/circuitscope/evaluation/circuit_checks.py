"""What speaks against measuring a circuit, known before there is a model."""

from __future__ import annotations

from circuitscope.config import AblationConfig
from circuitscope.errors import BadInput
from circuitscope.evaluation.free_layers import free_layers_in
from circuitscope.results import Circuit
from circuitscope.sources import refuse_function


def refuse_ablation(circuit: Circuit, config: AblationConfig) -> None:
    """Raise BadInput for settings of ablated runs that a circuit cannot have.

    Only for a circuit of a run folder: from Python, a metric without a name can be given again.
    """
    model = circuit.made_by.model
    if model.n_layers:  # of a recipe that says it
        free_layers_in(model.n_layers, config.free_layers)
    refuse_function(circuit)


def refuse_unranked(circuit: Circuit) -> None:
    """Raise BadInput for a circuit that does not know the candidates that it was chosen from."""
    if circuit.candidates is None:
        raise BadInput(
            "the circuit has no ranking of all its candidates",
            expected="a circuit as discover made it",
            mend="discover again",
        )
