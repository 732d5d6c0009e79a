"""What a notebook shows of the things that one works with: a few lines that say what they are."""

from __future__ import annotations

import circuitscope as cs
from circuitscope.tasks import batches
from circuitscope.tasks.metrics import LOGIT_DIFFERENCE


def test_each_says_what_it_is(world):
    model = cs.load_model(str(world.model), device="cpu")
    dictionaries = cs.load_dictionaries(str(world.dictionaries), model)
    task = cs.load_task(world.task, model)
    encoded, _ = task.encode("train", model.tokenizer, bos=True, limit=4)
    (inputs,) = batches(encoded, 4, has_bos=True)
    effects = cs.node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, points=2)
    circuit = cs.discover(model, dictionaries, task, nodes=5, examples=4)
    said = {
        repr(model): ("GPT-NeoX", "2 layers of width 16", "float32 on cpu"),
        repr(dictionaries): ("7 × relu", "168 features at 7 sites, embed to resid_1"),
        repr(task): ("agreement: 18 train and 6 test pairs", "→"),
        repr(effects): ("ig, logit-difference", "7 sites, 4 examples of 3 tokens"),
        repr(circuit): ("5 nodes", "task 'agreement'"),
        repr(cs.compare(circuit, circuit)): ("5 shared nodes", "overlap 1.00"),
    }
    for text, parts in said.items():
        assert all(part in text for part in parts), text
        assert text.count("\n") <= 3
