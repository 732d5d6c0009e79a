"""The families that circuitscope supports, one record each."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from circuitscope.model.family import Contribution, Family, Tap, register_family


def _call(block: nn.Module, *path: str, x: Tensor) -> Tensor:
    """Apply the named modules of a block one after the other."""
    for name in path:
        x = cast(Tensor, block.get_submodule(name)(x))
    return x


def _through(*path: str) -> Contribution:
    """The map that applies the named modules of a block one after the other."""
    return lambda block, x: _call(block, *path, x=x)


def _taps(attention: str, projection: str, down: str) -> dict[str, tuple[Tap, ...]]:
    """The taps of a block without norms after attention or MLP: their outputs go into the stream as they are."""
    return {
        "attn": (
            Tap("output of attention", attention, "output"),
            Tap("input of attention's output projection", projection, "input", _through(projection)),
        ),
        "mlp": (
            Tap("output of the MLP", "mlp", "output"),
            Tap("hidden neurons of the MLP", down, "input", _through(down)),
        ),
    }


GPT_NEOX = Family(
    name="GPT-NeoX",
    model_types=("gpt_neox",),
    blocks="gpt_neox.layers",
    taps=_taps("attention", "attention.dense", "mlp.dense_4h_to_h"),
    mlp_from_stream=_through("post_attention_layernorm", "mlp"),
    parallel=lambda block: bool(block.use_parallel_residual),
)

GPT_2 = Family(
    name="GPT-2",
    model_types=("gpt2",),
    blocks="transformer.h",
    taps=_taps("attn", "attn.c_proj", "mlp.c_proj"),
    mlp_from_stream=_through("ln_2", "mlp"),
)


def _like_llama(name: str, *model_types: str) -> Family:
    """Sequential blocks, a norm before attention and one before the MLP."""
    return Family(
        name=name,
        model_types=model_types,
        blocks="model.layers",
        taps=_taps("self_attn", "self_attn.o_proj", "mlp.down_proj"),
        mlp_from_stream=_through("post_attention_layernorm", "mlp"),
    )


def _like_gemma(name: str, *model_types: str) -> Family:
    """Norms before and after attention and MLP; what goes into the stream has passed the norm after."""
    return Family(
        name=name,
        model_types=model_types,
        blocks="model.layers",
        taps={
            # Gemma Scope reads the heads' outputs side by side; projection and norm come after the tap.
            "attn": (
                Tap(
                    "input of attention's output projection",
                    "self_attn.o_proj",
                    "input",
                    _through("self_attn.o_proj", "post_attention_layernorm"),
                ),
                Tap("output of attention after its norm", "post_attention_layernorm", "output"),
            ),
            "mlp": (
                Tap("output of the MLP after its norm", "post_feedforward_layernorm", "output"),
                Tap(
                    "hidden neurons of the MLP",
                    "mlp.down_proj",
                    "input",
                    _through("mlp.down_proj", "post_feedforward_layernorm"),
                ),
            ),
        },
        mlp_from_stream=_through("pre_feedforward_layernorm", "mlp", "post_feedforward_layernorm"),
    )


FAMILIES = (
    GPT_NEOX,
    GPT_2,
    _like_llama("Llama", "llama"),
    _like_llama("Mistral", "mistral"),
    _like_llama("Qwen2", "qwen2"),
    _like_llama("Qwen3", "qwen3"),
    _like_gemma("Gemma-2", "gemma2"),
    _like_gemma("Gemma-3", "gemma3_text"),
)

for _family in FAMILIES:
    register_family(_family)
