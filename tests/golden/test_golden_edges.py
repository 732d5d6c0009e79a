"""Edge effects equal the published code's, row by row and aggregated, in float64.

The published code thresholds per (example, position, feature) and leaves upstream unfiltered (P4); the test picks
those rows itself. Edges from upstream error nodes are always 0 there (P3): that column is left out here and
held against autograd in tests/meaning instead.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from circuitscope.effects import EdgeEntries, Rows, edge_effects, node_effects, output_effects
from circuitscope.tasks.metrics import LOGIT, LOGIT_DIFFERENCE
from circuitscope.terms import ERROR, Site


@pytest.fixture(scope="module")
def effects(golden):
    return node_effects(
        golden.model, golden.dictionaries, golden.inputs(), LOGIT_DIFFERENCE, rule="left", points=10
    )


def rows_over(effects, threshold: float) -> dict[Site, Rows]:
    """The nodes at tokens with |effect| > threshold, at every site."""
    found = {}
    for site, side in effects.sites.items():
        positions = side.clean.x.shape[1]
        strong = side.feature_effect.abs() > threshold
        example, position = (side.error_effect.abs() > threshold).nonzero(as_tuple=True)
        token = torch.cat([side.features.token[strong], example * positions + position])
        feature = torch.cat([side.features.feature[strong], torch.full_like(example, ERROR)])
        found[site] = Rows(token // positions, token % positions, feature)
    return found


def raw(rows: Rows, entries: EdgeEntries, down: int, up: int, batch: int, positions: int) -> Tensor:
    """(batch, position, down + 1, batch, position, up + 1), with the error last, as the goldens have it."""
    out = entries.effect.new_zeros(batch, positions, down + 1, batch, positions, up + 1)
    example, position = rows.example[entries.row], rows.position[entries.row]
    down_feature = rows.feature[entries.row] % (down + 1)
    out[example, position, down_feature, example, entries.position, entries.feature % (up + 1)] = (
        entries.effect
    )
    return out


def published(tensors: dict[str, Tensor], prefix: str) -> dict[tuple[str, str], Tensor]:
    found = {}
    for key in tensors:
        if key.startswith(prefix) and key.endswith(".indices"):
            name = key.removesuffix(".indices")
            up, down = name.removeprefix(prefix).split("->")
            shape = tensors[f"{name}.shape"].tolist()
            sparse = torch.sparse_coo_tensor(
                tensors[key].long(), tensors[f"{name}.values"], shape, check_invariants=True
            )
            found[up, down] = sparse.to_dense()
    return found


def all_raw(golden, effects, threshold: float) -> dict[tuple[str, str], Tensor]:
    rows = rows_over(effects, threshold)
    edges = edge_effects(golden.model, golden.dictionaries, effects, rows)
    batch, positions = golden.clean.shape
    return {
        (str(up), str(down)): raw(
            rows[down],
            entries,
            golden.dictionaries[down].n_features,
            golden.dictionaries[up].n_features,
            batch,
            positions,
        )
        for (up, down), entries in edges.items()
    }


def test_raw_edges(golden, effects):
    ours = all_raw(golden, effects, golden.thresholds()["pair"][1]["threshold"])
    theirs = published(golden.tensors("rawedges-none-thr1"), "raw.")
    assert theirs
    for pair, values in theirs.items():
        mine = ours.get(pair, torch.zeros_like(values))
        if values[..., :-1].abs().max() == 0:
            assert mine[..., :-1].abs().max() == 0
            continue
        golden.assert_close(mine[..., :-1], values[..., :-1], "->".join(pair))
        assert values[..., -1].abs().max() == 0, "P3: the published code has no edges from errors"


@pytest.mark.parametrize("index", [0, 1, 2])
def test_circuits_aggregate_to_the_published_ones(golden, effects, index):
    ours = all_raw(golden, effects, golden.thresholds()["pair"][index]["threshold"])
    batch = golden.clean.shape[0]
    for aggregation, dimensions in (("sum", (0, 1, 3, 4)), ("none", (0, 3))):
        tensors = golden.tensors(f"circuit-{aggregation}-thr{index}")
        for pair, values in published(tensors, "edge.").items():
            if pair[1] == "y":
                continue
            mine = ours[pair].sum(dim=dimensions) / batch if pair in ours else torch.zeros_like(values)
            scale = float(values.abs().max()) or 1.0
            golden.assert_close(mine[..., :-1], values[..., :-1], "->".join(pair), scale)


def test_single_inputs(golden):
    effects = node_effects(
        golden.model, golden.dictionaries, golden.inputs(pair=False), LOGIT, rule="left", points=10
    )
    ours = all_raw(golden, effects, golden.thresholds()["nopair"][0]["threshold"])
    theirs = published(golden.tensors("circuit-sum-nopair-thr0"), "edge.")
    batch = golden.clean.shape[0]
    for pair, values in theirs.items():
        if pair[1] == "y":
            continue
        mine = ours[pair].sum(dim=(0, 1, 3, 4)) / batch if pair in ours else torch.zeros_like(values)
        scale = float(values.abs().max()) or 1.0
        golden.assert_close(mine[..., :-1], values[..., :-1], "->".join(pair), scale)


def test_output_edges_are_the_last_residual_sites_effects(golden, effects):
    theirs = published(golden.tensors("circuit-none-thr0"), "edge.")
    ((source, _),) = [pair for pair in theirs if pair[1] == "y"]
    found = output_effects(golden.model, golden.dictionaries, effects)
    assert [str(site) for site in found] == [source]
    side = found[Site.parse(source)]
    batch, positions = golden.clean.shape
    nodes = side.feature_effect.new_zeros(batch * positions, side.features.n_features + 1)
    nodes[side.features.token, side.features.feature] = side.feature_effect
    nodes[:, -1] = side.error_effect.flatten()
    golden.assert_close(nodes.view(batch, positions, -1).mean(dim=0), theirs[source, "y"], "edges into y")
