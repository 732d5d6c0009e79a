"""A discovery that is taken up again has the settings of the first, memory among them."""

from __future__ import annotations

from dataclasses import fields

from tiny_world import make_run

import circuitscope as cs
from circuitscope.config import DiscoverySettings
from circuitscope.discovery import job_again
from circuitscope.sources import metric_of, reopen


def test_it_has_every_setting_of_the_first(world, tmp_path):
    asked = {
        "memory": "300MiB", "batch_size": 3, "rule": "left", "points": 2, "examples": 5, "bos": "no",
        "split": "test", "metric": "logit", "edges_at": "both", "baseline": "zero", "edge_threshold": 0.001,
    }  # fmt: skip
    circuit = cs.load(make_run(world, tmp_path / "run", **asked))
    loaded = reopen(circuit, device="cpu")
    job = job_again(circuit, loaded, metric_of(circuit, loaded))
    for item in fields(DiscoverySettings):
        if item.name in asked:
            assert getattr(job.settings, item.name) == asked[item.name], item.name
    assert job.budget == 300 * 2**20
    assert len(job.examples) == 5
