"""Features and errors of a site, read with the help of the other side of the pairs or without."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from toys import KINDS, toy_dictionaries, toy_inputs, toy_model

from circuitscope.activations import read_pairs, read_sites


@pytest.mark.parametrize("padding", ["left", "right"])
@pytest.mark.parametrize("kind", KINDS)
def test_sharing_what_two_sides_have_in_common_changes_nothing(kind, padding):
    """The patch differs from the third token on; what comes before is the same tensor and is encoded once."""
    model = toy_model("llama")
    dictionaries = toy_dictionaries(model, kind)
    inputs = toy_inputs([6, 4], bos=True, side=padding)
    ids = inputs.clean.ids.clone()
    later = inputs.clean.position_ids >= 2
    ids[later] = inputs.patch.ids[later]
    patch = replace(inputs.patch, ids=ids)
    asked = inputs.clean.last[:, None]
    together = read_pairs(model, dictionaries, inputs.clean, patch, asked, asked)
    saved = 0
    for (_, states), tokens in zip(together, (inputs.clean, patch), strict=True):
        _, alone = read_sites(model, dictionaries, tokens, asked)
        for site in dictionaries:
            ours, theirs = states[site], alone[site]
            assert torch.equal(ours.active.key, theirs.active.key), site
            torch.testing.assert_close(ours.active.value, theirs.active.value, atol=1e-12, rtol=1e-12)
            torch.testing.assert_close(ours.error, theirs.error, atol=1e-12, rtol=1e-12)
            saved += len(theirs.own) - len(ours.own)
    assert saved > 0
