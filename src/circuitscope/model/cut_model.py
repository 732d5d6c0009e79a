"""cut_after: the part of a model up to one residual site, with a head of your own on it.

The part shares blocks and embedding with the whole model, so it takes no memory of its own, and what hooks do to a
block they do to both. The last norm is left out: the head reads the residual stream itself.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from circuitscope.errors import BadInput
from circuitscope.model.language_model import LanguageModel
from circuitscope.results import ClassifierHead
from circuitscope.terms import Site


def cut_after(
    model: LanguageModel, site: Site, head: nn.Module, *, record: ClassifierHead | None = None
) -> LanguageModel:
    """The model that ends at ``site``, where ``head`` takes the place of the last norm and the unembedding.

    Args:
        site: a residual site.
        record: the same head as a recipe keeps it; None for a head that is not a classifier's.
        head: what turns the stream at a position into "logits", (batch, asked, width) -> (batch, asked, words).

    Returns:
        A language model like any other: captures, replays, effects and ablated runs work on it unchanged. Its
        ``whole`` is the model that it was cut from.
    """
    if site.kind != "resid" or site not in model.sites:
        raise BadInput(
            f"a classifier on {site}",
            expected=f"a residual site of the model: resid_0 to resid_{model.n_layers - 1}",
            mend="choose one of these sites",
        )
    hf: Any = _own(model.hf)
    parent = hf
    for name in model.family.blocks.split(".")[:-1]:
        setattr(parent, name, _own(getattr(parent, name)))
        parent = getattr(parent, name)
    blocks = model.family.blocks.split(".")[-1]
    setattr(parent, blocks, nn.ModuleList(getattr(parent, blocks)[: site.layer + 1]))
    setattr(parent, _name_of(parent, model.final_norm), nn.Identity())
    hf.set_output_embeddings(head)
    return LanguageModel(
        hf,
        model.family,
        name=model.name,
        tokenizer=model.tokenizer,
        whole=model.whole,
        source=model.whole.source,
        head=record,
    )


def _name_of(parent: nn.Module, child: nn.Module) -> str:
    return next(name for name, module in parent.named_children() if module is child)


def _own(module: nn.Module) -> nn.Module:
    """A module with the same children and weights, to which others can be given without changing the original.

    Every dictionary of the module (children, parameters, hooks) is its own; so is its config, which no longer has a
    cap on the logits, since a head of your own has none.
    """
    mine = copy.copy(module)
    for name, value in vars(module).items():
        if type(value) is not dict and not isinstance(value, dict):
            continue
        mine.__dict__[name] = copy.copy(value)
    config = getattr(module, "config", None)
    if config is not None:
        changed = copy.deepcopy(config)
        text = changed.get_text_config()
        if getattr(text, "final_logit_softcapping", None) is not None:
            text.final_logit_softcapping = None
        mine.__dict__["config"] = changed
    return mine
