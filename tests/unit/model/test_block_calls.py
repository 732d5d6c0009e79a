"""Which of a block's arguments go with the examples, and which are the same for all."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from circuitscope.model.blocks import block_calls


class Block(nn.Module):
    """Adds what it is given, and keeps it."""

    def forward(self, stream: Tensor, table: Tensor, *, by_kind: dict, rest: tuple) -> tuple[Tensor, str]:
        self.seen = (table, by_kind, rest)
        return stream + table + by_kind["mask"][..., None], "weights"


def arguments(examples: int) -> tuple[tuple, dict]:
    """Of a batch of 1, 2, 3, … with 3 positions and width 2; the table has as many rows as a batch of 3."""
    number = torch.arange(1.0, 4.0)[torch.arange(examples) % 3]
    mask = number[:, None].expand(-1, 3)
    return (torch.ones(3, 2),), {"by_kind": {"mask": mask}, "rest": (None, [number], 0.5)}


def test_rows_are_fetched_for_the_copies_and_shared_tables_are_not():
    calls = block_calls((Block(), Block()), [arguments(3)] * 2, [arguments(6)] * 2)
    copies = calls.on(torch.tensor([2, 0, 0, 1]))
    after = copies.run(0, torch.zeros(4, 3, 2))
    assert after[:, 0, 0].tolist() == [4, 2, 2, 3]  # 1 of the table, and the example's number
    table, _, (nothing, (number,), half) = calls.blocks[0].seen
    assert table.shape == (3, 2)
    assert number.tolist() == [3, 1, 1, 2]
    assert (nothing, half) == (None, 0.5)


def test_a_block_gets_the_first_copies_and_blocks_share_what_is_fetched():
    shared = arguments(3)
    calls = block_calls((Block(), Block()), [shared] * 2, [arguments(6)] * 2)
    copies = calls.on(torch.tensor([2, 0, 0, 1]))
    assert copies.run(0, torch.zeros(2, 3, 2))[:, 0, 0].tolist() == [4, 2]
    copies.run(1, torch.zeros(4, 3, 2))
    masks = [block.seen[1]["mask"] for block in calls.blocks]
    assert masks[0].shape[0] == 2
    assert masks[0].data_ptr() == masks[1].data_ptr()


def test_one_example_has_rows_too():
    """An axis of length 1 may be the batch's, or one that is spread over any batch."""
    calls = block_calls((Block(),), [arguments(1)], [arguments(2)])
    copies = calls.on(torch.tensor([0, 0]))
    assert copies.run(0, torch.zeros(2, 3, 2))[:, 0, 0].tolist() == [2, 2]
    assert calls.blocks[0].seen[1]["mask"].shape == (2, 3)
