"""Which copies go through together, and how they are cut to the budget."""

from __future__ import annotations

import pytest
import torch

from circuitscope.effects.wave import Plan
from circuitscope.errors import OutOfSpace
from circuitscope.terms import Site

LAYERS = (-1, 0, 1, 2)
SITES = [Site("embed", -1), *(Site(kind, layer) for layer in LAYERS[1:] for kind in ("attn", "mlp"))]
COUNTS = dict.fromkeys(SITES, 10)
"""10 copies at layer −1 and 20 at each other layer."""


def plan(budget: int, *, as_wave: bool) -> Plan:
    """A copy that enters after block l of 3 holds 3 − l bytes: 40, 60, 40 and 20 bytes in all."""
    return Plan(as_wave, budget, lambda layer: 3 - layer, tokens=7)


def layers(groups: list[list[Site]]) -> list[list[int]]:
    return [sorted({site.layer for site in group}) for group in groups]


@pytest.mark.parametrize(
    ("budget", "groups"),
    [
        (160, [[-1, 0, 1, 2]]),
        (159, [[-1, 0, 1], [2]]),
        (120, [[-1, 0], [1, 2]]),
        (60, [[-1], [0], [1, 2]]),
        (1, [[-1], [0], [1], [2]]),
    ],
)
def test_a_wave_has_as_many_whole_layers_as_fit(budget, groups):
    assert layers(plan(budget, as_wave=True).together(COUNTS)) == groups


def test_without_a_wave_every_layer_is_alone():
    assert layers(plan(10**6, as_wave=False).together(COUNTS)) == [[-1], [0], [1], [2]]


def slices(budget: int, *, as_wave: bool) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    plan(budget, as_wave=as_wave).in_chunks(
        LAYERS, [10, 20, 20, 20], lambda part: found.append((part.start, part.stop))
    )
    return found


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (160, [(0, 70)]),
        (100, [(0, 30), (30, 70)]),
        (80, [(0, 23), (23, 69), (69, 70)]),  # 10 · 4 + 13 · 3, then 7 · 3 + 20 · 2 + 19 · 1
        (1, [(copy, copy + 1) for copy in range(70)]),
    ],
)
def test_a_wave_is_cut_by_copies(budget, expected):
    assert slices(budget, as_wave=True) == expected


def test_without_a_wave_no_slice_has_two_layers():
    assert slices(10**6, as_wave=False) == [(0, 10), (10, 30), (30, 50), (50, 70)]
    assert slices(45, as_wave=False) == [(0, 10), (10, 25), (25, 30), (30, 50), (50, 70)]


def test_an_empty_set_between_two_others_changes_nothing():
    found: list[slice] = []
    plan(10**6, as_wave=False).in_chunks([0, 1, 0], [3, 0, 2], found.append)
    assert found == [slice(0, 5)]


def test_a_full_gpu_halves_the_slice_and_says_so(caplog):
    done: list[tuple[int, int]] = []

    def work(part: slice) -> None:
        if part.stop - part.start > 20:
            raise torch.OutOfMemoryError("full")
        done.append((part.start, part.stop))

    with caplog.at_level("WARNING", logger="circuitscope"):
        plan(160, as_wave=True).in_chunks(LAYERS, [10, 20, 20, 20], work)
    assert done == [(0, 17), (17, 34), (34, 51), (51, 68), (68, 70)]
    assert [record.args for record in caplog.records] == [(35,), (17,)]


def test_one_copy_that_does_not_fit_is_an_error():
    def work(part: slice) -> None:
        raise torch.OutOfMemoryError("full")

    with pytest.raises(OutOfSpace, match="one example of 7 tokens"):
        plan(160, as_wave=True).in_chunks(LAYERS, [1, 0, 0, 0], work)
