"""The naive implementation gives the same numbers as circuitscope, and the clock's figures mean what they say."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from benchmarks import clock
from benchmarks.shapes import Shape
from benchmarks.speed.growth import exponent
from benchmarks.speed.presets import PRESETS, make_world, preset_named
from benchmarks.speed.tables import tables
from benchmarks.speed.works import make_works
from circuitscope.errors import BadInput

SMALL = {
    "gpt_neox": Shape(2, 32, 2, 64),
    "gemma2": Shape(2, 32, 2, 64, family="gemma2", hidden_width=48, head_width=16, key_heads=1),
}


@pytest.mark.parametrize("family", SMALL)
def test_both_sides_give_the_same_numbers(family):
    preset = replace(
        PRESETS["tiny"], shape=SMALL[family], features=96, active=8, batch=3, length=5, nodes=20, rows=20
    )
    works = make_works(make_world(preset, "float64"), preset)
    compared = 0
    for work in works.rows:
        if work.differs:
            difference = work.differs(work.ours(), works.naive[work.naive]())
            # norms run in float32 inside a float64 model, and rounding there depends on the batch
            assert difference < 2e-6, work.name
            compared += 1
    assert compared == 4


def test_operations_of_products_are_counted_forward_and_back():
    a, b = torch.ones(3, 5, requires_grad=True), torch.ones(5, 7)
    assert clock.gflop(lambda: a @ b) == pytest.approx(2 * 3 * 5 * 7 / 1e9)
    assert clock.gflop(lambda: torch.autograd.grad((a @ b).sum(), a)) == pytest.approx(4 * 3 * 5 * 7 / 1e9)


@pytest.mark.skipif(
    not clock.STATUS.is_file(), reason="the system does not say what a process's peak memory is"
)
def test_the_peak_is_what_a_piece_of_work_holds_at_most():
    cost = clock.run(lambda: torch.ones(12_500_000).sum())
    assert cost.peak_mb == pytest.approx(50, rel=0.3)


def test_the_exponent_of_a_power_is_that_power():
    assert exponent([1, 2, 4, 8], [3, 12, 48, 192]) == pytest.approx(2)
    assert exponent([1, 2, 4, 8], [5, 5, 5, 5]) == pytest.approx(0)
    assert exponent([1, 2], [1, None]) is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_preset_for_a_gpu_is_refused_without_one():
    with pytest.raises(BadInput, match="without a GPU"):
        preset_named("gemma-2-2b", None)


def test_tables_show_every_row():
    row = {
        "work": "edges",
        "ours_s": 0.01,
        "naive_s": 12.0,
        "ratio": 1200.0,
        "ours_peak_mb": 3.0,
        "naive_peak_mb": None,
        "gflop": 1.5,
        "share_of_peak": 0.25,
        "difference": 3e-7,
        "downstream_rows": 320,
    }
    shown = tables({"preset": "tiny", "features": 9, "matrix_gflops": 40.0, "rows": [row], "growth": []})
    assert "| edges (320 rows) | 12.0 s | 0.010 s | 1200× | – | 3 MB | 1.5 | 25 % | 3e-07 |" in shown
