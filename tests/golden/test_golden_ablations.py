"""Ablated runs equal the published code's, example by example, in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from circuitscope.evaluation.ablated_metric import ablated_metric
from circuitscope.evaluation.baseline import make_baseline
from circuitscope.evaluation.node_set import node_set
from circuitscope.results import Nodes
from circuitscope.tasks.metrics import LOGIT_DIFFERENCE
from circuitscope.terms import ERROR, SUMMED

WHATS = ("empty", "all_nodes", "circuit", "complement")


def nodes_over(golden, aggregation: str, threshold: float) -> Nodes:
    """The published circuit's nodes with |effect| > threshold."""
    tensors = golden.tensors(f"circuit-{aggregation}-thr0")
    columns: list[list[int]] = [[], [], []]
    for index, site in enumerate(golden.sites):
        act = tensors[f"node.{site}.act"].reshape(-1, golden.dictionaries[site].n_features)
        both = torch.cat([act, tensors[f"node.{site}.resc"].reshape(-1, 1)], dim=1)
        place, feature = (both.abs() > threshold).nonzero(as_tuple=True)
        columns[0] += [index] * len(place)
        columns[1] += torch.where(feature == act.shape[1], ERROR, feature).tolist()
        columns[2] += place.tolist() if aggregation == "none" else [SUMMED] * len(place)
    arrays = [np.array(column, np.int64) for column in columns]
    return Nodes(*arrays, np.ones(len(arrays[0])), np.zeros(len(arrays[0])))


def everything(golden, places: int) -> Nodes:
    columns: list[list[int]] = [[], [], []]
    for index, site in enumerate(golden.sites):
        for place in range(places):
            for feature in (*range(golden.dictionaries[site].n_features), ERROR):
                for column, value in zip(columns, (index, feature, place), strict=True):
                    column.append(value)
    arrays = [np.array(column, np.int64) for column in columns]
    return Nodes(*arrays, np.ones(len(arrays[0])), np.zeros(len(arrays[0])))


@pytest.mark.parametrize("what", WHATS)
def test_ablated_runs(golden, what):
    records = [
        record for record in golden.records("ablations") if record["what"].removesuffix("_patchNone") == what
    ]
    assert records
    for record in records:
        ours = run(golden, what, record)
        theirs = torch.tensor(record["metric"], dtype=torch.float64)
        golden.assert_close(ours, theirs, f"{record}")


def run(golden, what: str, record: dict) -> torch.Tensor:
    places = golden.clean.shape[1] if record.get("agg") == "none" else 1
    if what == "empty":
        nodes = Nodes.none()
    elif what == "all_nodes":
        nodes = everything(golden, places)
    else:
        nodes = nodes_over(golden, record["agg"], record["threshold"])
        ablated = [site.layer >= record["start_layer"] for site in golden.sites]
        assert np.array(ablated)[nodes.site].sum() == record["n_nodes"]
    # The published means are taken position by position, whatever the aggregation.
    inputs = golden.inputs(pair=not record["what"].endswith("_patchNone"))
    baseline = make_baseline(
        record["ablation"], golden.model, golden.dictionaries, [inputs], places=golden.clean.shape[1]
    )
    value = ablated_metric(
        golden.model,
        golden.dictionaries,
        golden.inputs(),
        LOGIT_DIFFERENCE,
        node_set(nodes, golden.dictionaries, places=places, device=golden.model.device),
        baseline,
        sites=[site for site in golden.sites if site.layer >= record["start_layer"]],
        complement=what == "complement",
        errors={"default": "circuit"}.get(record["handle_errors"], record["handle_errors"]),
    )
    return -value
