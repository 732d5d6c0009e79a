"""Which site and tensor the names of other libraries mean.

Three vocabularies: hooks of TransformerLens (``blocks.3.hook_resid_post``), modules of HuggingFace models
(``layers.3.mlp``), and the free words of folder names (``resid_out_layer3``). A name says which *tensor* it is;
whether a model's family can tap that tensor is checked when the dictionaries meet the model.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from circuitscope.errors import BadDictionary
from circuitscope.model import RESID, TOKEN_EMBEDDING, module_tensor
from circuitscope.terms import Site


class SiteTensor(NamedTuple):
    """A site, and the word for the tensor there; None for the usual one."""

    site: Site
    tensor: str | None


_HOOKS = {
    "hook_resid_post": "resid",
    "attn.hook_z": "attn",
    "hook_attn_out": "attn",
    "mlp.hook_post": "mlp",
    "hook_mlp_out": "mlp",
}
_PARTS = ("pre", "in", "input", "mid", "post", "out", "output", "z", "q", "k", "v", "pattern", "scores")
"""Words that say which tensor of a module is meant; any other word says nothing."""
_WORDS = {"attn": ("attn", "attention"), "mlp": ("mlp",), "resid": ("resid", "residual")}
_MODULES = (("attn", ("attn", "attention")), ("mlp", ("mlp", "feedforward", "feed_forward")))
_EMBEDDINGS = ("embed_tokens", "embed_in", "wte")
# An optional path to the list of blocks, the list, the layer, and the rest: ``model.layers.3.mlp``.
_BLOCK = re.compile(r"(?:[a-z_]+\.)*(?:layers|h)\.(\d+)(?:\.(.+))?")


def hook_place(name: str) -> SiteTensor | None:
    """The place of a TransformerLens hook; None for hooks that are at no site."""
    if name == "hook_embed":
        return SiteTensor(Site("embed", -1), "hook_embed")
    found = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
    if found is None:
        return None
    layer, hook = int(found[1]), found[2]
    if hook == "hook_resid_pre":  # what enters a block is what the block before has left
        return SiteTensor(Site("resid", layer - 1) if layer else Site("embed", -1), None)
    if hook not in _HOOKS:
        return None
    site = Site(_HOOKS[hook], layer)
    return SiteTensor(site, None if hook in RESID.hooks else hook)


def module_place(path: str) -> SiteTensor | None:
    """The place of a module's output in a HuggingFace model, such as ``layers.10`` or ``layers.10.mlp``."""
    if path.split(".")[-1] in _EMBEDDINGS:
        return SiteTensor(Site("embed", -1), TOKEN_EMBEDDING)
    found = _BLOCK.fullmatch(path)
    if found is None:
        return None
    layer, module = int(found[1]), found[2]
    if module is None:
        return SiteTensor(Site("resid", layer), None)
    for kind, words in _MODULES:
        if any(word in module.lower() for word in words):
            return SiteTensor(Site(kind, layer), module_tensor(module))
    return None


def is_in_block(path: str) -> bool:
    """Whether a name is the path of something inside a block, such as ``layers.3.input_layernorm``."""
    found = _BLOCK.fullmatch(path)
    return found is not None and found[2] is not None


def word_place(text: str, layer: object = None) -> SiteTensor | None:
    """The place that words such as ``resid_out_layer3``, ``resid_pre_3``, ``mlp_3`` or ``embed`` mean.

    Raises:
        BadDictionary: the words mean a tensor that is at no site, such as ``resid_mid_layer_3`` or ``mlp_in_3``.
    """
    words = re.findall(r"[a-z]+|\d+", text.lower())
    if words and words[0] in ("embed", "embedding"):
        return SiteTensor(Site("embed", -1), None)
    numbers = [int(word) for word in words if word.isdigit()]
    if not numbers and isinstance(layer, int):
        numbers = [layer]
    for kind, names in _WORDS.items():
        if len(numbers) == 1 and words and words[0] in names:
            return _which_tensor(text, kind, numbers[0], [word for word in words if word in _PARTS])
    return None


def _which_tensor(text: str, kind: str, layer: int, parts: list[str]) -> SiteTensor:
    """The tensor of a kind of site that a word after it means: before, in the middle of or after the module."""
    part = parts[0] if parts else "out"
    known = {"resid": ("out", "output", "post"), "attn": ("out", "output"), "mlp": ("out", "output")}[kind]
    if part in known:
        return SiteTensor(Site(kind, layer), None)
    if kind == "resid" and part in (
        "pre",
        "in",
        "input",
    ):  # what enters a block is what the block before has left
        return SiteTensor(Site("resid", layer - 1) if layer else Site("embed", -1), None)
    if kind == "attn" and part == "z":
        return SiteTensor(Site("attn", layer), "attn.hook_z")
    raise no_site(text)


def no_site(name: str) -> BadDictionary:
    """The error for a dictionary whose own name says that it reads a tensor at no site."""
    return BadDictionary(
        f"a dictionary of {name!r}: that tensor is at no site",
        expected="the output of an attention block, of an MLP or of a block (attn, mlp, resid), or the embedding",
        mend="use a dictionary of one of these tensors",
    )
