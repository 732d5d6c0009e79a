"""Training the bundled model: a GPT-NeoX of 4 layers, width 128, on documents of the bundled language."""

from __future__ import annotations

import argparse
import math
import time
from copy import deepcopy
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from circuitscope.model import load_model
from circuitscope.tasks.agreement import STRUCTURES
from circuitscope.tasks.language import WORDS, document, vocabulary
from training.check import agreement_accuracy
from training.tokenizer import CONTEXT, make_tokenizer

STEPS = 3500
DOCUMENTS = 64
"""Documents of a step; each is WORDS words and BOS, so a step is 4096 tokens."""
PEAK_RATE, WARM_UP = 2e-3, 200
SEED = 0
CHECK_EVERY = 250


def config() -> GPTNeoXConfig:
    return GPTNeoXConfig(
        vocab_size=len(vocabulary()) + 2,
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        rotary_pct=0.25,
        max_position_embeddings=CONTEXT,
        use_parallel_residual=True,
        bos_token_id=0,
        eos_token_id=0,
        attn_implementation="eager",
    )


def batch(number: int, ids: dict[str, int], bos: int) -> torch.Tensor:
    """The token ids of a step's documents, (document, 1 + WORDS)."""
    rows = [document(number * DOCUMENTS + row, SEED).words for row in range(DOCUMENTS)]
    return torch.tensor([[bos, *(ids[word] for word in words)] for words in rows])


def rate(step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to 0."""
    return PEAK_RATE * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


def held_out_accuracy(model: GPTNeoXForCausalLM, tokenizer: PreTrainedTokenizerFast) -> dict[str, float]:
    """Agreement on nouns that never stand in these structures; the model is copied, since loading freezes it."""
    copy = load_model(deepcopy(model), device="cpu", tokenizer=tokenizer)
    return {structure: round(agreement_accuracy(copy, structure), 3) for structure in STRUCTURES}


def train(out: Path, steps: int) -> None:
    """Train from scratch and write a HuggingFace folder."""
    torch.manual_seed(SEED)
    model = GPTNeoXForCausalLM(config()).train()
    tokenizer = make_tokenizer()
    ids = tokenizer.get_vocab()
    matrices = [weight for weight in model.parameters() if weight.ndim > 1]
    vectors = [weight for weight in model.parameters() if weight.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98), fused=True)
    started = time.perf_counter()
    for step in range(steps):
        tokens = batch(step, ids, tokenizer.bos_token_id)
        logits = model(input_ids=tokens[:, :-1], use_cache=False).logits
        loss = cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        optimizer.step()
        if step % CHECK_EVERY == CHECK_EVERY - 1:
            print(f"step {step:5d}  held-out agreement {held_out_accuracy(model, tokenizer)}", flush=True)
        if step % 100 == 0 or step == steps - 1:
            print(
                f"step {step:5d}  loss {loss.item():.4f}  {time.perf_counter() - started:.0f} s", flush=True
            )
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args()
    assert WORDS < CONTEXT
    train(given.out, given.steps)
