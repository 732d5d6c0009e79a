"""Planted circuits as real models: a GPT-NeoX whose weights are set by hand so that it runs a program.

Every variable has a direction, drawn at random from an orthonormal basis of the vectors whose entries add up to 0, so
the layer norm takes no mean from it and no neuron of the stream is a variable. One more direction is constant and a
thousand times longer than the others, so the norm divides by nearly the same number everywhere: what a weight
reads is its variable times a known scale, up to a relative error of (variables / CONSTANT)², about 1e-5.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from benchmarks.recovery.program import POSITIONS, SHARPNESS, VARIABLES, Layer, Program, Text
from circuitscope.model import LanguageModel, load_model
from circuitscope.tasks import Example, Task
from training.tokenizer import make_tokenizer

WIDTH, HEADS, HEAD_WIDTH = 64, 4, 16
SCORE_CHANNEL = 8
"""The channel of a head's queries and keys that is used; the first ones turn with the position."""
CONSTANT = 1000.0
SCALE = CONSTANT / WIDTH**0.5
"""What the layer norm divides by."""
YES, NO = "yes", "no"


@dataclass(frozen=True)
class Directions:
    """Where the variables lie in the stream."""

    variables: Tensor
    """(variable, WIDTH), orthonormal."""
    constant: Tensor
    """(WIDTH), of length ``CONSTANT``, orthogonal to them."""


def directions(seed: int) -> Directions:
    """Orthonormal vectors whose entries add up to 0."""
    draw = np.random.default_rng(seed)
    columns = np.column_stack([np.ones(WIDTH), draw.standard_normal((WIDTH, WIDTH - 1))])
    basis = torch.from_numpy(np.linalg.qr(columns)[0].T[1:].copy())
    return Directions(basis[: len(VARIABLES)], CONSTANT * basis[len(VARIABLES)])


def planted_model(program: Program, texts: Sequence[Text], basis: Directions) -> LanguageModel:
    """The program as a model; each token of a text is a word of its own vocabulary."""
    tokenizer = make_tokenizer([YES, NO, *(word for number in range(len(texts)) for word in _words(number))])
    hf = GPTNeoXForCausalLM(_config(program, len(tokenizer))).double()
    with torch.no_grad():
        for weight in hf.parameters():
            weight.zero_()
        _embed(hf, tokenizer.get_vocab(), texts, basis)
        for block, layer in zip(hf.gpt_neox.layers, program.layers, strict=True):
            for norm in (block.input_layernorm, block.post_attention_layernorm):
                norm.weight.fill_(1.0)
            _attention(block.attention, layer, basis)
            _mlp(block.mlp, layer, basis)
        hf.gpt_neox.final_layer_norm.weight.fill_(1.0)
        half = SCALE * torch.from_numpy(program.answer) @ basis.variables / 2
        hf.lm_head.weight[tokenizer.get_vocab()[YES]] = half
        hf.lm_head.weight[tokenizer.get_vocab()[NO]] = -half
    return load_model(hf, dtype="float64", device="cpu", tokenizer=tokenizer)


def planted_task(texts: Sequence[Text]) -> Task:
    """The texts as pairs; yes is the answer to a clean text."""
    pairs = []
    for number in range(len(texts)):
        words = list(_words(number))
        clean, patch = (" ".join(words[side::2]) for side in (0, 1))
        pairs.append(Example(clean, f" {YES}", patch, f" {NO}"))
    return Task("planted", tuple(pairs), (), is_template=True)


def _words(number: int) -> Iterable[str]:
    """The words of a text: for each position after BOS, the clean and the patch one."""
    for position in range(1, POSITIONS):
        for side in ("clean", "patch"):
            yield f"{side}{number}at{position}"


def _config(program: Program, vocab: int) -> GPTNeoXConfig:
    return GPTNeoXConfig(
        vocab_size=vocab,
        hidden_size=WIDTH,
        num_hidden_layers=len(program.layers),
        num_attention_heads=HEADS,
        intermediate_size=max(len(layer.units) for layer in program.layers),
        max_position_embeddings=8,
        hidden_act="gelu",
        rotary_pct=0.25,
        use_parallel_residual=program.parallel,
        attn_implementation="eager",
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=False,
    )


def _embed(hf: GPTNeoXForCausalLM, ids: dict[str, int], texts: Sequence[Text], basis: Directions) -> None:
    table = hf.gpt_neox.embed_in.weight
    table[:] = basis.constant
    table[0] += torch.from_numpy(texts[0].clean[0]) @ basis.variables  # BOS
    for number, text in enumerate(texts):
        rows = np.stack([text.clean[1:], text.patch[1:]], axis=1).reshape(-1, len(VARIABLES))
        for word, row in zip(_words(number), rows, strict=True):
            table[ids[word]] += torch.from_numpy(row) @ basis.variables


def _attention(attention: torch.nn.Module, layer: Layer, basis: Directions) -> None:
    by_head = attention.query_key_value.weight.view(HEADS, 3, HEAD_WIDTH, WIDTH)
    bias = attention.query_key_value.bias.view(HEADS, 3, HEAD_WIDTH)
    out = attention.dense.weight.view(WIDTH, HEADS, HEAD_WIDTH)
    for number, head in enumerate(layer.heads):
        channels = len(head.reads)
        bias[number, 0, SCORE_CHANNEL] = HEAD_WIDTH**0.5  # every token asks the same question
        by_head[number, 1, SCORE_CHANNEL] = SCALE * torch.from_numpy(head.scores) @ basis.variables
        by_head[number, 2, :channels] = SCALE * torch.from_numpy(head.reads) @ basis.variables
        out[:, number, :channels] = (torch.from_numpy(head.writes) @ basis.variables).T


def _mlp(mlp: torch.nn.Module, layer: Layer, basis: Directions) -> None:
    for number, unit in enumerate(layer.units):
        mlp.dense_h_to_4h.weight[number] = SHARPNESS * SCALE * torch.from_numpy(unit.reads) @ basis.variables
        mlp.dense_h_to_4h.bias[number] = SHARPNESS * unit.bias
        mlp.dense_4h_to_h.weight[:, number] = torch.from_numpy(unit.writes) @ basis.variables / SHARPNESS
    rest = mlp.act(mlp.dense_h_to_4h.bias)
    mlp.dense_4h_to_h.bias[:] = -mlp.dense_4h_to_h.weight @ rest
