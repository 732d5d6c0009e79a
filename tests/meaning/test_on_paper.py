"""A model whose answer is on paper.

Width 4, one block, no norms, no attention. The embedding writes (a, b, 0, 0); the MLP adds 2a to the third
coordinate; so the stream ends as (a, b, 2a, 0). The clean answer reads the third coordinate, the patch answer
the second: m = b − 2a.

Clean has a = 3, b = 1 (m = −5), patch has a = 1, b = 2 (m = 0). Dictionaries at all sites have two features:

* embed: f_0 = a, f_1 = b; mlp_0: f_0 = 2a; resid_0: f_0 = the third coordinate, f_1 = the second.

By hand: a from 3 to 1 changes m by −2·(1 − 3) = +4, b from 1 to 2 by +1. All of a's effect goes through the MLP:
embed/0 → mlp_0/0 → resid_0/0 → output carries 4 on every edge, embed/1 → resid_0/1 → output carries 1, and
there is no direct edge embed/0 → resid_0/0, since the MLP's site is in between.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, GPTNeoXConfig

from circuitscope.config import DiscoverySettings
from circuitscope.dictionaries import Dictionaries
from circuitscope.dictionaries.affine import ReluDictionary
from circuitscope.discovery.edge_pass import edge_pass
from circuitscope.discovery.job import Job
from circuitscope.discovery.node_pass import node_pass
from circuitscope.model import load_model
from circuitscope.tasks.inputs import Encoded
from circuitscope.tasks.metrics import LOGIT_DIFFERENCE
from circuitscope.terms import NodeId, Site

CLEAN, PATCH, CLEAN_ANSWER, PATCH_ANSWER = 0, 1, 2, 3


def unit(coordinate: int) -> list[float]:
    return [1.0 if place == coordinate else 0.0 for place in range(4)]


def paper_model():
    config = GPTNeoXConfig(
        vocab_size=4,
        hidden_size=4,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=1,
        max_position_embeddings=8,
        attn_implementation="eager",
    )
    hf = AutoModelForCausalLM.from_config(config).double()
    layer = hf.gpt_neox.layers[0]
    with torch.no_grad():
        for weight in hf.parameters():
            weight.zero_()
        hf.gpt_neox.embed_in.weight[CLEAN] = torch.tensor([3.0, 1, 0, 0])
        hf.gpt_neox.embed_in.weight[PATCH] = torch.tensor([1.0, 2, 0, 0])
        layer.mlp.dense_h_to_4h.weight[0] = torch.tensor(unit(0))
        layer.mlp.dense_4h_to_h.weight[:, 0] = 2 * torch.tensor(unit(2))
        hf.lm_head.weight[CLEAN_ANSWER] = torch.tensor(unit(2))
        hf.lm_head.weight[PATCH_ANSWER] = torch.tensor(unit(1))
    layer.mlp.act = nn.Identity()
    layer.input_layernorm = layer.post_attention_layernorm = nn.Identity()
    hf.gpt_neox.final_layer_norm = nn.Identity()
    return load_model(hf, dtype="float64", device="cpu")


def reading(*coordinates: int) -> ReluDictionary:
    """Features that read and write one coordinate each."""
    vectors = torch.tensor([unit(place) for place in coordinates], dtype=torch.float64)
    zeros = torch.zeros(len(coordinates), dtype=torch.float64)
    return ReluDictionary(
        w_enc=vectors, b_enc=zeros, w_dec=vectors, b_dec=torch.zeros(4, dtype=torch.float64)
    )


@pytest.fixture(scope="module")
def answer():
    model = paper_model()
    sites = {
        Site("embed", -1): reading(0, 1),
        Site("attn", 0): reading(0, 1),
        Site("mlp", 0): reading(2, 3),
        Site("resid", 0): reading(2, 1),
    }
    job = Job(
        model,
        Dictionaries(sites, name="paper"),
        LOGIT_DIFFERENCE,
        (Encoded((CLEAN,), (PATCH,), (CLEAN_ANSWER,), (PATCH_ANSWER,)),),
        DiscoverySettings(batch_size=1, memory="1GiB", positions="sum", bos="no", edges_at="clean"),
    )
    found = node_pass(job)
    second = edge_pass(job, found.nodes)
    return job, found, second.edges, second.silent


def names(job, nodes):
    sites = list(job.dictionaries)
    columns = zip(nodes.site, nodes.feature, nodes.position, strict=True)
    return [str(NodeId(sites[s], int(f), int(p))) for s, f, p in columns]


def test_the_metric(answer):
    _, found, _, _ = answer
    assert (found.clean_metric, found.patch_metric) == (5.0, 0.0)  # tables show −m


def test_the_nodes(answer):
    job, found, _, _ = answer
    effects = dict(zip(names(job, found.nodes), found.nodes.effect, strict=True))
    strong = {name: value for name, value in effects.items() if abs(value) > 1e-12}
    assert strong == pytest.approx(
        {"embed/0": 4.0, "embed/1": 1.0, "mlp_0/0": 4.0, "resid_0/0": 4.0, "resid_0/1": 1.0}
    )


def test_the_edges(answer):
    job, found, edges, _ = answer
    node = [*names(job, found.nodes), "output"]
    strong = {
        (node[s], node[t]): e
        for s, t, e in zip(edges.source, edges.target, edges.effect, strict=True)
        if abs(e) > 1e-12
    }
    assert strong == pytest.approx(
        {
            ("embed/0", "mlp_0/0"): 4.0,
            ("mlp_0/0", "resid_0/0"): 4.0,
            ("embed/1", "resid_0/1"): 1.0,
            ("resid_0/0", "output"): 4.0,
            ("resid_0/1", "output"): 1.0,
        }
    )
