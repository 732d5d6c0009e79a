from torch import Tensor

import circuitscope as cs
from circuitscope.tasks import Inputs, metric_named


def margin(logits: Tensor, inputs: Inputs) -> Tensor:
    """A loss: by how much the best other token beats the clean answer; shape (batch,)."""
    last = logits[:, -1]  # (batch, vocab) at the last token of every text
    clean = last.gather(1, inputs.clean_answers[:, :1])[:, 0]
    others = last.scatter(1, inputs.clean_answers[:, :1], float("-inf"))
    return others.max(dim=1).values - clean


model = cs.load_model("stories260K")
dictionaries = cs.load_dictionaries("dictionaries", model)
task = cs.load_task("examples/tasks/he_she", model)

circuit = cs.discover(model, dictionaries, task, metric=margin)
metric = metric_named(margin, pairs=task.pairs)  # a later stage cannot find a function by its name
result = cs.evaluate(circuit, model, dictionaries, task, metric=metric)
