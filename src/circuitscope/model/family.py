"""Family records: where a kind of model keeps its sites, and how each feeds the residual stream.

A record is all that circuitscope knows about an architecture. It is checked against a real forward pass
whenever a model is loaded (``check.py``), so a wrong record gives an error and not a wrong result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from circuitscope.errors import BadInput, UnsupportedModel

Contribution = Callable[[nn.Module, Tensor], Tensor]


@dataclass(frozen=True)
class Tap:
    """One tensor of a block that a dictionary may read and replace."""

    name: str
    """What the tensor is called in messages and in a dictionary's metadata."""
    module: str
    """Path of the module inside the block; empty for the block itself."""
    side: str
    """``input`` or ``output`` of that module."""
    contribution: Contribution | None = None
    """Maps (block, tensor) to what is added to the residual stream; None where it is the tensor itself."""
    hooks: tuple[str, ...] = ()
    """What TransformerLens calls the tensor, without the block: SAELens dictionaries use that name."""

    def answers_to(self, tensor: str) -> bool:
        """Whether a dictionary's word for a tensor means this one: its name, a hook, ``output of MODULE``."""
        return tensor in (self.name, *self.hooks, module_tensor(self.module, self.side))

    def contributes(self, block: nn.Module, x: Tensor) -> Tensor:
        return x if self.contribution is None else self.contribution(block, x)


def module_tensor(module: str, side: str = "output") -> str:
    """The word for what goes into or comes out of a module of a block, whatever the family calls it."""
    return f"{side} of {module}" if module else ""


@dataclass(frozen=True)
class Family:
    """Where the sites of one kind of model are."""

    name: str
    """What people call it."""
    model_types: tuple[str, ...]
    """The ``model_type`` values of the HuggingFace configs that it covers."""
    blocks: str
    """Path from the HuggingFace model to the list of blocks."""
    taps: Mapping[str, tuple[Tap, ...]]
    """For ``attn`` and ``mlp``: the tensors that may be tapped; the first is what a bare site name means.

    ``embed`` may be there too, where a hook of the token embedding is the same tensor as the input of block 0.
    """
    mlp_from_stream: Callable[[nn.Module, Tensor], Tensor]
    """Maps (block, residual stream before the MLP) to the MLP site's first tensor, position by position."""
    mlp: str = "mlp"
    """Path of the MLP inside a block; it works position by position."""
    parallel: Callable[[nn.Module], bool] = lambda block: False
    """Whether attention and MLP of a block both read the stream before the block (GPT-NeoX)."""

    def tap(self, kind: str, tensor: str | None = None) -> Tap:
        """The tap of a kind of site; ``tensor`` names one that is not the first."""
        options = self.options(kind)
        for option in options:
            if tensor is None or option.answers_to(tensor):
                return option
        raise BadInput(
            f"{self.name} models have no tensor {tensor!r} at {kind} sites",
            expected=" or ".join(repr(option.name) for option in options),
            mend="use a dictionary that was trained on one of these tensors",
        )

    def options(self, kind: str) -> tuple[Tap, ...]:
        """The tensors that may be tapped at a kind of site."""
        return tuple(self.taps.get(kind, _EVERYWHERE.get(kind, ())))


TOKEN_EMBEDDING = "token embedding"
"""The word for the embedding module's output, which a family may scale or add to before block 0."""

EMBED = Tap("input of block 0", "", "input", hooks=("hook_resid_pre",))
RESID = Tap("output of the block", "", "output", hooks=("hook_resid_post",))
_EVERYWHERE = {"embed": (EMBED,), "resid": (RESID,)}

_registry: dict[str, Family] = {}


def register_family(family: Family) -> None:
    """Make a family known; its model types replace earlier records of the same name."""
    for model_type in family.model_types:
        _registry[model_type] = family


def supported_families() -> list[Family]:
    """Every registered family once, by name."""
    return sorted({family.name: family for family in _registry.values()}.values(), key=lambda f: f.name)


def family_of(model_type: str) -> Family:
    """The family record of a HuggingFace ``model_type``."""
    if model_type not in _registry:
        known = ", ".join(f"{f.name} ({', '.join(f.model_types)})" for f in supported_families())
        raise UnsupportedModel(
            f"no family record for models of type {model_type!r}",
            expected=f"one of: {known}",
            mend="register a record of your own: circuitscope.model.register_family(Family(...)); "
            "src/circuitscope/model/families.py shows how short they are",
        )
    return _registry[model_type]
