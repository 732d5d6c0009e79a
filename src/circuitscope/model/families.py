"""The families that circuitscope supports, one record each."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from torch import Tensor, nn

from circuitscope.model.family import EMBED, TOKEN_EMBEDDING, Contribution, Family, Tap, register_family


def _call(block: nn.Module, *path: str, x: Tensor) -> Tensor:
    """Apply the named modules of a block one after the other."""
    for name in path:
        x = cast(Tensor, block.get_submodule(name)(x))
    return x


def _through(*path: str) -> Contribution:
    """The map that applies the named modules of a block one after the other."""
    return lambda block, x: _call(block, *path, x=x)


# TransformerLens's words: hook_attn_out and hook_mlp_out are what is added to the stream, so after a norm that
# follows; hook_z are the heads' outputs before the projection; hook_embed is scaled where the model scales it.
Z, ATTN_OUT, POST, MLP_OUT = ("attn.hook_z",), ("hook_attn_out",), ("mlp.hook_post",), ("hook_mlp_out",)
_TOKENS_ALONE = replace(EMBED, hooks=(*EMBED.hooks, "hook_embed", TOKEN_EMBEDDING))
_TOKENS_SCALED = replace(EMBED, hooks=(*EMBED.hooks, "hook_embed"))


def _taps(attention: str, projection: str, down: str) -> dict[str, tuple[Tap, ...]]:
    """The taps of a block without norms after attention or MLP: their outputs go into the stream as they are."""
    return {
        "attn": (
            Tap("output of attention", attention, "output", hooks=ATTN_OUT),
            Tap("input of attention's output projection", projection, "input", _through(projection), Z),
        ),
        "mlp": (
            Tap("output of the MLP", "mlp", "output", hooks=MLP_OUT),
            Tap("hidden neurons of the MLP", down, "input", _through(down), POST),
        ),
    }


GPT_NEOX = Family(
    name="GPT-NeoX",
    model_types=("gpt_neox",),
    blocks="gpt_neox.layers",
    taps={**_taps("attention", "attention.dense", "mlp.dense_4h_to_h"), "embed": (_TOKENS_ALONE,)},
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
        taps={**_taps("self_attn", "self_attn.o_proj", "mlp.down_proj"), "embed": (_TOKENS_ALONE,)},
        mlp_from_stream=_through("post_attention_layernorm", "mlp"),
    )


def _like_gemma(name: str, *model_types: str, blocks: str = "model.layers") -> Family:
    """Norms before and after attention and MLP; what goes into the stream has passed the norm after."""
    return Family(
        name=name,
        model_types=model_types,
        blocks=blocks,
        taps={
            "embed": (_TOKENS_SCALED,),
            # Gemma Scope reads the heads' outputs side by side; projection and norm come after the tap.
            "attn": (
                Tap(
                    "input of attention's output projection",
                    "self_attn.o_proj",
                    "input",
                    _through("self_attn.o_proj", "post_attention_layernorm"),
                    Z,
                ),
                Tap(
                    "output of attention after its norm", "post_attention_layernorm", "output", hooks=ATTN_OUT
                ),
            ),
            "mlp": (
                Tap(
                    "output of the MLP after its norm", "post_feedforward_layernorm", "output", hooks=MLP_OUT
                ),
                Tap(
                    "hidden neurons of the MLP",
                    "mlp.down_proj",
                    "input",
                    _through("mlp.down_proj", "post_feedforward_layernorm"),
                    POST,
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
    # From 4B on, Gemma-3 also takes images; the language model is a part of the whole, and images are not used.
    _like_gemma("Gemma-3 with vision", "gemma3", blocks="model.language_model.layers"),
)

for _family in FAMILIES:
    register_family(_family)
