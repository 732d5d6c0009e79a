"""How much memory activations may take where nobody says."""

from __future__ import annotations

import pytest
import torch

from circuitscope.effects.budget import DEFAULT_BUDGET, budget_of
from circuitscope.errors import BadInput

GIB = 2**30
CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def gpu(monkeypatch):
    """A GPU of 80 GiB with so much free; torch holds 6 GiB and uses 4 of them."""

    def with_free(free: int) -> None:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 80 * GIB))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 6 * GIB)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 4 * GIB)

    return with_free


def test_a_size_is_that_size_everywhere():
    assert budget_of("300MiB", CPU) == budget_of("300MiB", GPU) == 300 * 2**20


def test_auto_is_2_gib_on_a_cpu():
    assert budget_of("auto", CPU) == DEFAULT_BUDGET == 2 * GIB


def test_auto_is_half_of_what_is_free_on_a_gpu(gpu):
    gpu(60 * GIB)
    assert budget_of("auto", GPU) == 31 * GIB


def test_it_is_no_less_than_on_a_cpu(gpu):
    """A GPU that is nearly full runs out of memory and halves its batches, or says that it cannot."""
    gpu(GIB)
    assert budget_of("auto", GPU) == 2 * GIB


def test_other_words_are_refused():
    with pytest.raises(BadInput, match="a size like 2GiB"):
        budget_of("most", CPU)
