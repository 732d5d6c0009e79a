"""Growth is measured on work that is really done."""

from __future__ import annotations

from benchmarks.speed.growth import spend


def test_more_examples_take_longer_and_warming_up_leaves_nothing_behind():
    case = {"examples": 2, "tokens": 6, "features": 256, "layers": 2, "nodes": 20}
    small, large = spend(case), spend({**case, "examples": 32, "tokens": 24})
    assert small.node_pass > 5e-3  # a pass that is only read from memory takes a tenth of that
    assert large.node_pass > 1.5 * small.node_pass
