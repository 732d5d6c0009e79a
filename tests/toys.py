"""Small random models and dictionaries, in float64, for tests of what the numbers mean."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from circuitscope.dictionaries import Dictionaries, neuron_dictionaries
from circuitscope.dictionaries.kinds import build
from circuitscope.model import LanguageModel, TokenBatch, load_model, pad
from circuitscope.tasks import Inputs
from circuitscope.terms import Site

VOCAB = 40
FAMILIES = ("neox-parallel", "neox-sequential", "llama", "gemma2")
"""One of each kind of block; most tests run on these."""
EVERY_FAMILY = (*FAMILIES, "gpt2", "mistral", "qwen2", "qwen3", "gemma3", "gemma3-vision")
KINDS = ("relu", "topk", "jumprelu", "gated", "layer_norm relu", "constant_norm_rescale gated", "identity")


def _config(family: str, layers: int) -> object:
    common = {
        "vocab_size": VOCAB,
        "hidden_size": 16,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 24,
        "max_position_embeddings": 32,
        "attn_implementation": "eager",
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    if family.startswith("neox"):
        return GPTNeoXConfig(**common, rotary_pct=0.5, use_parallel_residual=family == "neox-parallel")
    if family == "gpt2":
        return GPT2Config(
            vocab_size=VOCAB, n_embd=16, n_layer=layers, n_head=4, n_inner=24, n_positions=32,
            attn_implementation="eager", bos_token_id=0, eos_token_id=1,
        )  # fmt: skip
    like_llama = {"llama": LlamaConfig, "mistral": MistralConfig, "qwen2": Qwen2Config}
    if family in like_llama:
        return like_llama[family](**common, num_key_value_heads=2)
    if family == "qwen3":
        return Qwen3Config(**common, num_key_value_heads=2, head_dim=6)
    of_gemma = {
        **common,
        "num_key_value_heads": 2,
        "head_dim": 6,
        "query_pre_attn_scalar": 6,
        "sliding_window": 4,
        "pad_token_id": 0,
    }
    if family == "gemma3-vision":
        sees = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
        return Gemma3Config(text_config=of_gemma, vision_config={**sees, "image_size": 28, "patch_size": 14})
    return (Gemma2Config if family == "gemma2" else Gemma3TextConfig)(**of_gemma)


class RMSNorm64(nn.Module):
    """An RMS norm in the dtype of its input; the models' own compute in float32."""

    def __init__(self, scale: Tensor, eps: float) -> None:
        super().__init__()
        self.scale, self.eps = nn.Parameter(scale), eps

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


def _norms_in_float64(hf: nn.Module) -> None:
    for module in list(hf.modules()):
        for name, child in list(module.named_children()):
            kind, weight = type(child).__name__, getattr(child, "weight", None)
            if kind.startswith("Gemma") and kind.endswith("RMSNorm"):
                setattr(module, name, RMSNorm64(1 + weight.detach(), child.eps))
            elif kind.endswith("RMSNorm"):
                setattr(module, name, RMSNorm64(weight.detach(), child.variance_epsilon))


def toy_hf(family: str, *, layers: int = 2, seed: int = 0) -> nn.Module:
    """A HuggingFace model with random weights that are large enough to matter."""
    torch.manual_seed(seed)
    hf = AutoModelForCausalLM.from_config(_config(family, layers)).double()
    with torch.no_grad():
        for name, weight in hf.named_parameters():
            if weight.dim() > 1:
                weight.normal_(std=0.35)
            elif "norm" in name:
                weight.add_(0.2 * torch.randn_like(weight))
            else:
                weight.normal_(std=0.1)
    _norms_in_float64(hf)
    return hf


def toy_model(family: str, *, layers: int = 2, seed: int = 0) -> LanguageModel:
    return load_model(toy_hf(family, layers=layers, seed=seed), dtype="float64", device="cpu")


def linear_model(*, layers: int = 2) -> LanguageModel:
    """A parallel GPT-NeoX in which nothing is nonlinear: no norms, no activation, uniform attention."""
    hf = toy_hf("neox-parallel", layers=layers)
    heads, width = 4, 4
    with torch.no_grad():
        for layer in hf.gpt_neox.layers:
            layer.input_layernorm = layer.post_attention_layernorm = nn.Identity()
            layer.mlp.act = nn.Identity()
            by_head = layer.attention.query_key_value.weight.view(heads, 3 * width, -1)
            by_head[:, : 2 * width] = 0  # queries and keys: every score is 0
            layer.attention.query_key_value.bias.view(heads, 3 * width)[:, : 2 * width] = 0
        hf.gpt_neox.final_layer_norm = nn.Identity()
    return load_model(hf, dtype="float64", device="cpu")


def toy_dictionaries(
    model: LanguageModel, kind: str, sites: Sequence[Site] | None = None, *, features: int = 20, seed: int = 0
) -> Dictionaries:
    """Random dictionaries that reconstruct badly, so that errors matter."""
    chosen = list(model.sites) if sites is None else list(sites)
    if kind == "identity":
        return neuron_dictionaries(model, chosen)
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    found = {}
    for site in chosen:
        width = model.tap_width(site, model.tap(site))
        w_dec = torch.nn.functional.normalize(draw(features, width), dim=1)
        weights = {
            "w_enc": w_dec + 0.2 * draw(features, width),
            "b_enc": 0.1 * draw(features),
            "w_dec": w_dec,
            "b_dec": 0.3 * draw(width),
        }
        if kind.endswith("relu") and not kind.endswith("jumprelu"):
            weights["pre_bias"] = weights["b_dec"]
        elif kind.endswith("jumprelu"):
            weights["threshold"] = 0.3 + 0.1 * draw(features).abs()
        elif kind.endswith("gated"):
            weights |= {"r_mag": 0.2 * draw(features), "b_mag": 0.2 * draw(features)}
        found[site] = build(kind, weights, {"k": 4}, where="toys")
    return Dictionaries(found, name=f"toy {kind}")


def toy_inputs(
    lengths: Sequence[int], *, pair: bool = True, side: str = "right", bos: bool = False, seed: int = 0
) -> Inputs:
    """Random examples; clean and patch differ in two tokens."""
    generator = torch.Generator().manual_seed(seed)

    def ids(length: int) -> list[int]:
        return torch.randint(2, VOCAB, (length,), generator=generator).tolist()

    clean = [ids(length) for length in lengths]
    patch = [list(sequence) for sequence in clean]
    for sequence in patch:
        for place in (1, len(sequence) - 1):
            sequence[place] = (sequence[place] + 7) % (VOCAB - 2) + 2
    if bos:
        clean, patch = ([[0, *sequence] for sequence in part] for part in (clean, patch))
    answers = torch.tensor([ids(2) for _ in lengths])
    answers[:, 1] = (answers[:, 0] + 3) % VOCAB
    some = torch.ones(len(lengths), 1, dtype=torch.bool)
    return Inputs(
        pad(clean, has_bos=bos, side=side),
        pad(patch, has_bos=bos, side=side) if pair else None,
        answers[:, :1],
        some,
        answers[:, 1:] if pair else answers[:, :0],
        some if pair else some[:, :0],
    )


def every_token(tokens: TokenBatch) -> Tensor:
    """Columns of all positions, for logits everywhere."""
    return torch.arange(tokens.positions).expand(tokens.batch, -1)
