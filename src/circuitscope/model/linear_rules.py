"""Linear rules: a forward pass whose backward pass treats the model as linear around it (RelP, arXiv 2508.21258).

Relevance patching takes attribution patching's formula and replaces the gradient by the coefficients of layer-wise
relevance propagation. These are the gradient of a model in which everything nonlinear is held at the value that
it has on this input. The forward pass is the plain model's, to the last bit; only the backward pass changes:

* LN-rule (LayerNorm, RMSNorm; Ali et al. 2022): the norm's denominator is a constant.
* Identity-rule (activation functions; Jafari et al. 2024): act(x) = x · (act(x)/x) with the ratio a constant.
* AH-rule (attention heads; Ali et al. 2022): attention weights are constants. They are made from queries and keys
  alone, so these are what is detached; values and the output projection keep their gradient.
* Half-rule (gated MLPs; Arras et al. 2019): of act(gate) · up each factor gets half of the product's gradient, so
  that the two together are credited with the product once.
* 0-rule (linear layers; Montavon et al. 2019): the gradient itself.

What comes after the last norm (unembedding, the soft cap of Gemma's logits, the metric) is differentiated as it is.

One record per family says where these parts are. GPT-NeoX and GPT-2: LayerNorms, one activation, queries, keys and
values from one projection. Llama, Mistral, Qwen2, Qwen3: RMSNorms, gated MLPs, projections of their own; the norms
of Qwen3 and Gemma-3 on queries and keys come before what is detached. Gemma-2, Gemma-3: two more norms per block.
A norm is not known by its class: what the rule computes must equal the module's output, or it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from circuitscope.errors import UnsupportedModel
from circuitscope.model.language_model import LanguageModel

SMALLEST = 1e-6
"""Inputs of activation functions nearer to 0 than this take the ratio act(x)/x from here, where it is defined."""

FLAT = 1e4
"""A constant vector of this size makes the ε of an RMS norm negligible, so that its output is its gain."""

Rule = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""Takes a module, its input and its output; returns the same output with the rule's gradient."""


@dataclass(frozen=True)
class LinearRules:
    """Where one family's blocks have what the rules concern; paths are those of modules inside a block."""

    norms: tuple[str, ...]
    activation: str
    up: str = ""
    """The projection that the activation is multiplied by; empty where the MLP has no gate."""
    queries_keys: tuple[str, ...] = ()
    """Projections that give nothing but queries or keys."""
    fused: str = ""
    """The projection that gives queries, keys and values in one; empty where there is none."""
    by_head: bool = False
    """Whether its output has the three of one head side by side, rather than all queries first."""


_LIKE_LLAMA = LinearRules(
    norms=("input_layernorm", "post_attention_layernorm"),
    activation="mlp.act_fn",
    up="mlp.up_proj",
    queries_keys=("self_attn.q_proj", "self_attn.k_proj"),
)
_LIKE_GEMMA = LinearRules(
    norms=(*_LIKE_LLAMA.norms, "pre_feedforward_layernorm", "post_feedforward_layernorm"),
    activation=_LIKE_LLAMA.activation,
    up=_LIKE_LLAMA.up,
    queries_keys=_LIKE_LLAMA.queries_keys,
)
_known: dict[str, LinearRules] = {
    "GPT-NeoX": LinearRules(
        norms=("input_layernorm", "post_attention_layernorm"),
        activation="mlp.act",
        fused="attention.query_key_value",
        by_head=True,
    ),
    "GPT-2": LinearRules(norms=("ln_1", "ln_2"), activation="mlp.act", fused="attn.c_attn"),
    **dict.fromkeys(("Llama", "Mistral", "Qwen2", "Qwen3"), _LIKE_LLAMA),
    **dict.fromkeys(("Gemma-2", "Gemma-3", "Gemma-3 with vision"), _LIKE_GEMMA),
}


def register_linear_rules(family: str, rules: LinearRules) -> None:
    """Make the rules of a family known by its record's name; they replace earlier ones."""
    _known[family] = rules


@contextmanager
def linear_rules(model: LanguageModel, *, attention: bool = True) -> Iterator[None]:
    """Backward passes through forward passes made in here follow RelP's rules; the model is restored on any exit.

    Args:
        attention: hold the attention weights (AH-rule); without it they are differentiated.

    Raises:
        UnsupportedModel: the model's family has no rules, or they do not describe its modules.
    """
    with ExitStack() as stack:
        for module, rule in _rules_of(model, attention):
            # First of all hooks, so that a tap on this module sees what the rest of the model sees.
            handle = module.register_forward_hook(_hook(rule), prepend=True)
            stack.callback(handle.remove)
        yield


def _rules_of(model: LanguageModel, attention: bool) -> list[tuple[nn.Module, Rule]]:
    """Every module of the model that a rule concerns, with its rule."""
    name = model.family.name
    if name not in _known:
        raise UnsupportedModel(
            f"there are no linear rules for {name} models",
            expected=f"one of: {', '.join(sorted(_known))}",
            mend="use method ig or atp, or register rules: circuitscope.model.register_linear_rules",
        )
    rules = _known[name]
    gated = 0.5 if rules.up else 1.0
    found: list[tuple[nn.Module, Rule]] = [(model.final_norm, _norm)]
    for block in model.blocks:
        parts: list[tuple[str, Rule]] = [(path, _norm) for path in rules.norms]
        parts += [(rules.activation, _activation(gated))]
        parts += [(rules.up, _scaled(gated))] if rules.up else []
        if attention:
            parts += [(path, _detached) for path in rules.queries_keys]
            heads = int(model.config.num_attention_heads) if rules.by_head else 1
            parts += [(rules.fused, _only_values(heads))] if rules.fused else []
        found += [(_part(block, path, name), rule) for path, rule in parts]
    return found


def _part(block: nn.Module, path: str, family: str) -> nn.Module:
    try:
        return block.get_submodule(path)
    except AttributeError as error:
        raise UnsupportedModel(
            f"the linear rules for {family} models do not describe this one: its blocks have no {path}",
            expected="the modules of transformers' own implementation",
            mend="use method ig or atp, or register rules: circuitscope.model.register_linear_rules",
        ) from error


def _hook(rule: Rule) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor:
        return rule(module, arguments[0], output) if torch.is_grad_enabled() else output

    return hook


class _Spliced(torch.autograd.Function):
    """The value of one tensor with the gradient of another."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradient_of: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return None, gradients[0]


def spliced(value: Tensor, gradient_of: Tensor) -> Tensor:
    """``value`` to the last bit, through which gradients go into ``gradient_of`` instead."""
    result: Tensor = _Spliced.apply(value, gradient_of)  # type: ignore[no-untyped-call]
    return result


# -- the rules -----------------------------------------------------------------------------------------


def _norm(module: nn.Module, x: Tensor, output: Tensor) -> Tensor:
    """LN-rule. A module without parameters that passes on its input has nothing to hold."""
    if isinstance(module, nn.Identity):
        return output
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    if isinstance(module, nn.LayerNorm):
        centred = wide - wide.mean(dim=-1, keepdim=True)
        scale = torch.rsqrt(centred.detach().pow(2).mean(dim=-1, keepdim=True) + module.eps)
        linear = centred * scale if module.weight is None else centred * scale * module.weight
        linear = linear if module.bias is None else linear + module.bias
    else:
        # ``forward``, since a call would run the hooks of taps on this module once more.
        with torch.no_grad():
            gain = module.forward(torch.full_like(wide[:1, :1], FLAT))
        scaled = wide * gain
        # Read off the output, so that no class has to say what it calls its ε.
        along, square = (output * scaled).sum(-1, keepdim=True), scaled.pow(2).sum(-1, keepdim=True)
        scale = (along / square.clamp(min=torch.finfo(wide.dtype).tiny)).detach()
        linear = scaled * scale
    _refuse_other(module, linear, output)
    return spliced(output, linear.to(output.dtype))


def _refuse_other(module: nn.Module, ours: Tensor, theirs: Tensor) -> None:
    """Refuse a norm that the rule does not describe: it would give wrong effects, and nobody would notice."""
    # Norms compute in float32 inside float64 models.
    tolerance = {torch.float64: 1e-4, torch.float32: 1e-4}.get(theirs.dtype, 5e-2)
    gap = float((ours - theirs).detach().abs().max() / theirs.detach().abs().max().clamp(min=1e-6))
    if not gap <= tolerance:
        raise UnsupportedModel(
            f"{type(module).__name__} is neither a LayerNorm nor an RMS norm: the rule differs from it by {gap:.1e}",
            expected=f"at most {tolerance:.0e} of its largest output",
            mend="use method ig or atp",
        )


def _activation(factor: float) -> Rule:
    """Identity-rule, times what the half-rule leaves of it."""

    def rule(module: nn.Module, x: Tensor, output: Tensor) -> Tensor:
        with torch.no_grad():
            near = x.abs() < SMALLEST
            ratio = torch.where(near, _slope_at_0(module, x), output / torch.where(near, 1.0, x))
        return spliced(output, factor * ratio * x)

    return rule


def _slope_at_0(module: nn.Module, x: Tensor) -> Tensor:
    wide = torch.promote_types(x.dtype, torch.float32)
    slope: Tensor = module.forward(x.new_full((1,), SMALLEST, dtype=wide)) / SMALLEST
    return slope.to(x.dtype)


def _scaled(factor: float) -> Rule:
    """The other half of the half-rule."""
    return lambda module, x, output: spliced(output, factor * output)


def _detached(module: nn.Module, x: Tensor, output: Tensor) -> Tensor:
    """AH-rule where queries and keys have projections of their own."""
    return output.detach()


def _only_values(heads: int) -> Rule:
    """AH-rule where one projection gives queries, keys and values, ``heads`` times over."""

    def rule(module: nn.Module, x: Tensor, output: Tensor) -> Tensor:
        three = output.view(*output.shape[:-1], heads, 3, -1)
        queries_keys, values = three[..., :2, :].detach(), three[..., 2:, :]
        return torch.cat([queries_keys, values], dim=-2).view_as(output)

    return rule
