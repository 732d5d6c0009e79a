"""The published ``attrib`` (attribution patching) equals ours once its blocked gradients are put back in.

P2: dictionaries are spliced in everywhere, and gradients should pass them straight through; that only works where
the tensor is a tuple's member or a module's input (attention, residual). At embed and MLP sites the gradient
reaches earlier sites only through the dictionary's own Jacobian. Our atp takes the plain model's gradient, so the
two agree only at the last sites; here the blocking is added, so that every site is compared.
"""

from __future__ import annotations

import pytest
import torch
from test_golden_nodes import compare_effects

from circuitscope.effects import node_effects
from circuitscope.tasks.metrics import LOGIT, LOGIT_DIFFERENCE
from circuitscope.terms import Site

EQUAL_AS_IT_IS = {"a": ("attn_2", "mlp_2", "resid_2"), "c": ("mlp_1", "resid_1")}


def blocked_gradients(golden, inputs, metric) -> dict[Site, torch.Tensor]:
    """∂m/∂x of every site when embed and MLP sites let gradients through their dictionary only."""
    seen: dict[Site, torch.Tensor] = {}

    def splice(site):
        dictionary = golden.dictionaries[site]

        def edit(x):
            if site.kind in ("embed", "mlp"):
                flat = x.reshape(-1, x.shape[-1])
                rebuilt = dictionary.encode(flat) @ dictionary.w_dec + dictionary.b_dec
                x = (rebuilt + (flat - rebuilt).detach()).view(x.shape)
            seen[site] = x if x.requires_grad else x.requires_grad_()
            return seen[site]

        return edit

    taps = golden.dictionaries.taps(golden.model)
    edits = {site: (tap, splice(site)) for site, tap in taps.items()}
    if Site("embed", -1) not in edits:  # something has to start the graph
        tap = golden.model.tap(Site("embed", -1))
        edits[Site("embed", -1)] = (tap, lambda x: x.requires_grad_())
    with torch.enable_grad():
        logits = golden.model.logits(inputs.clean, metric.positions(inputs), edits)
        value = metric(logits, inputs).sum()
    gradients = torch.autograd.grad(value, list(seen.values()))
    return dict(zip(seen, gradients, strict=True))


@pytest.mark.parametrize("pair", [True, False], ids=["pairs", "singles"])
def test_attrib_with_its_blocked_gradients(golden, pair):
    metric = LOGIT_DIFFERENCE if pair else LOGIT
    inputs = golden.inputs(pair)
    gradients = blocked_gradients(golden, inputs, metric)
    effects = node_effects(golden.model, golden.dictionaries, inputs, metric, gradients=gradients)
    compare_effects(golden, effects, golden.tensors("effects-attrib" if pair else "effects-attrib-nopair"))


def test_atp_equals_attrib_where_nothing_is_blocked(golden):
    if golden.folder.name not in EQUAL_AS_IT_IS:
        pytest.skip("the sites where nothing is blocked are written down for a and c")
    sites = [Site.parse(name) for name in EQUAL_AS_IT_IS[golden.folder.name]]
    effects = node_effects(golden.model, golden.dictionaries, golden.inputs(), LOGIT_DIFFERENCE, method="atp")
    compare_effects(golden, effects, golden.tensors("effects-attrib"), sites)
