"""Which site and tensor the names of other libraries mean.

Three vocabularies: hooks of TransformerLens (``blocks.3.hook_resid_post``), modules of HuggingFace models
(``layers.3.mlp``), and the free words of folder names (``resid_out_layer3``). A name says which *tensor* it is;
whether a model's family can tap that tensor is checked when the dictionaries meet the model.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from circuitscope.dictionaries.readers.gather import refuse_transcoder
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
_AFTER, _BEFORE = ("out", "output", "post"), ("pre", "in", "input")
_ANY = (*_AFTER, *_BEFORE, "mid", "delta", "ln", "norm", "layernorm", "normalized")
_PARTS = {
    "resid": _ANY,
    "attn": (*_ANY, *("z", "q", "k", "v", "qkv", "query", "key", "value", "values", "pattern", "scores"),
             *("result", "concat", "head", "heads")),
    "mlp": (*_ANY, "gate", "up", "hidden", "act", "acts", "neuron", "neurons"),
}  # fmt: skip
"""Words that say which tensor of a module is meant; any other word says nothing."""
_LAYER_WORDS = ("layer", "layers", "block", "blocks", "l", "h")
_NO_LAYER = re.compile(r"(?<![a-z0-9])(?:v\d+(?:\.\d+)*|\d+[km])(?![a-z0-9])")
"""Versions and sizes, such as v2 and 16k: neither numbers of layers nor values and keys of attention."""
_NOT_EMBEDDING = ("pos", "position", "positions", "positional", "out")
_OUTSIDE = (
    "wpe",
    "embed_positions",
    "embed_out",
    "unembed",
    "lm_head",
    "ln_f",
    "ln_final",
    "final_layer_norm",
)
"""Modules outside the blocks that are at no site."""
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


def named_place(text: str, layer: object = None) -> SiteTensor | None:
    """The place that a name means in whichever vocabulary it is written; None where it names none.

    Args:
        layer: of a name that does not say it.

    Raises:
        BadDictionary: the name means a tensor that is at no site, or a transcoder.
    """
    place = hook_place(text) or module_place(text)
    if place is not None:
        return place
    outside = re.split(r"[.]", text)[-1] in _OUTSIDE
    if outside or is_in_block(text) or re.match(r"(?:blocks\.\d+\.|ln_final\.)?(?:[a-z0-9_]+\.)*hook_", text):
        raise no_site(text)
    return word_place(text, layer)


def refuse_contradiction(path: Path, folder: str, stated: str, place: SiteTensor) -> bool:
    """Compare the name of a folder with what the file in it says; returns whether the folder names a site at all.

    Args:
        stated: the file's own words.
        place: what they mean.

    Raises:
        BadDictionary: the two name different tensors.
    """
    try:
        by_folder = named_place(folder)
    except BadDictionary:  # where the file says it, a folder's odd name is its own business
        return False
    if by_folder is None:
        return False
    if by_folder.site != place.site or by_folder.tensor not in (None, place.tensor):
        raise BadDictionary(
            f"{path} is in the folder {folder}, which means {by_folder.site}, but its config says "
            f"{stated!r}, which is {place.site}",
            expected="a folder and a config that agree",
            mend="rename the folder, or correct the config",
        )
    return True


def word_place(text: str, layer: object = None) -> SiteTensor | None:
    """The place that words such as ``resid_out_layer3``, ``layer_3_resid_pre``, ``mlp_3`` or ``embed`` mean.

    Raises:
        BadDictionary: the words mean a tensor that is at no site, such as ``resid_mid_layer_3`` or ``mlp_in_3``, or
            a transcoder.
    """
    words = re.findall(r"[a-z]+|\d+", _NO_LAYER.sub(" ", text.lower()))
    if not words:
        return None
    if words[0] in ("embed", "embedding"):
        if set(words) & set(_NOT_EMBEDDING):
            raise no_site(text)
        return SiteTensor(Site("embed", -1), None)
    number, marked = _layer(words, layer)
    kinds = [kind for kind, names in _WORDS.items() if set(words) & set(names)]
    if "transcoder" in words and (kinds or number is not None):
        raise refuse_transcoder(text)
    if words[0] in ("ln", "layernorm") and any(word.isdigit() for word in words):
        raise no_site(text)
    if not kinds or not (marked or any(words[0] in _WORDS[kind] for kind in kinds)):
        return None
    if number is None:
        _refuse_without_layer(text, kinds[0], words)
        return None
    if len(kinds) > 1:
        raise no_site(text)
    return _which_tensor(text, kinds[0], number, {word for word in words if word in _PARTS[kinds[0]]})


def _layer(words: list[str], given: object) -> tuple[int | None, bool]:
    """The one number of a layer among words, and whether a word such as ``layer`` stands before it."""
    marked = [int(word) for before, word in pairwise(words) if before in _LAYER_WORDS and word.isdigit()]
    numbers = marked or [int(word) for word in words if word.isdigit()]
    if not numbers and isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        numbers = [given]
    return (numbers[0] if len(numbers) == 1 else None), bool(marked)


def _refuse_without_layer(text: str, kind: str, words: list[str]) -> None:
    """Refuse a name such as ``resid_mid``, which is at no site of any layer; others say nothing without one."""
    parts = set(words) - set(_WORDS[kind])
    if parts and parts <= set(_PARTS[kind]):
        _which_tensor(text, kind, 0, parts)


def _which_tensor(text: str, kind: str, layer: int, parts: set[str]) -> SiteTensor:
    """The tensor of a kind of site that the words beside it mean: before, in the middle of or after the module."""
    after = {"out", "output", "post"} if kind == "resid" else {"out", "output"}
    if parts <= after:
        return SiteTensor(Site(kind, layer), None)
    if kind == "resid" and parts <= set(_BEFORE):  # what enters a block is what the block before has left
        return SiteTensor(Site("resid", layer - 1) if layer else Site("embed", -1), None)
    if kind == "attn" and parts == {"z"}:
        return SiteTensor(Site("attn", layer), "attn.hook_z")
    raise no_site(text)


def no_site(name: str) -> BadDictionary:
    """The error for a dictionary whose own name says that it reads a tensor at no site."""
    return BadDictionary(
        f"a dictionary of {name!r}: that tensor is at no site",
        expected="the output of an attention block, of an MLP or of a block (attn, mlp, resid), or the embedding",
        mend="use a dictionary of one of these tensors",
    )
