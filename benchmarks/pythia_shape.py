"""Writes a model and dictionaries with the shape of Pythia-70M and its published dictionaries: 2.8 GB.

    python -m benchmarks.pythia_shape OUT --tokenizer tokenizer.json --text text.txt

``OUT/model`` is a HuggingFace folder with random weights and the tokenizer given; ``OUT/dictionaries`` has the
folder tree and the tensors of the Pythia release: ReLU dictionaries for the embedding and for attention, MLP
and residual stream of every block, each with as many features active on a token of the text as was asked.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging

from benchmarks.shapes import Shape, random_dictionary, random_network, site_activations
from circuitscope.model import TokenBatch, load_model
from circuitscope.model.tokens import pad
from circuitscope.terms import Site

CALIBRATION_EXAMPLES = 192
CALIBRATION_LENGTH = 4
"""Pieces of the text, and their tokens, that the number of active features is set on.

They are as short as the sentences of the agreement tasks, since in a random model attention's output is larger
at the first positions.
"""

RUN = "10_32768"
"""The name of the published run, which every dictionary's folder has below it."""

out = Console()


def main() -> None:
    options = parse()
    logging.disable_progress_bar()
    shape = Shape(options.layers, options.width, options.heads, options.vocab)
    tokenizer = write_model(options.out / "model", options.tokenizer, shape, options.seed)
    tokens = calibration_tokens(tokenizer, options.text.read_text(encoding="utf-8"))
    write_dictionaries(options.out, tokens, options.features, options.active, options.seed)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write model/ and dictionaries/ into")
    parser.add_argument(
        "--tokenizer", type=Path, required=True, help="tokenizer.json to save beside the model"
    )
    parser.add_argument("--text", type=Path, required=True, help="plain text that biases are calibrated on")
    parser.add_argument("--layers", type=int, default=6, help="blocks (default: 6)")
    parser.add_argument("--width", type=int, default=512, help="width of the residual stream (default: 512)")
    parser.add_argument("--heads", type=int, default=8, help="attention heads (default: 8)")
    parser.add_argument("--vocab", type=int, default=50304, help="entries of the embedding (default: 50304)")
    parser.add_argument(
        "--features", type=int, default=32768, help="features per dictionary (default: 32768)"
    )
    parser.add_argument("--active", type=int, default=100, help="active features per token (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="seed of every weight (default: 0)")
    return parser.parse_args()


def write_model(folder: Path, tokenizer_file: Path, shape: Shape, seed: int) -> Any:
    """Write the model with its tokenizer, and return the tokenizer."""
    random_network(shape, seed).save_pretrained(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer_file), eos_token="<|endoftext|>")
    tokenizer.save_pretrained(folder)
    out.print(f"{folder}: {shape}")
    return tokenizer


def calibration_tokens(tokenizer: Any, text: str) -> TokenBatch:
    """Consecutive pieces of the text, as token ids."""
    ids = tokenizer(text[: 100 * CALIBRATION_EXAMPLES])["input_ids"]
    starts = range(0, CALIBRATION_EXAMPLES * CALIBRATION_LENGTH, CALIBRATION_LENGTH)
    return pad([ids[start : start + CALIBRATION_LENGTH] for start in starts], has_bos=False)


def write_dictionaries(folder: Path, tokens: TokenBatch, features: int, active: int, seed: int) -> None:
    """Write one dictionary per site, one at a time, so that only one is in memory."""
    model = load_model(folder / "model", device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for site, x in site_activations(model, tokens).items():
        dictionary = random_dictionary(x, features, active, generator)
        place = folder / "dictionaries" / folder_name(site) / RUN
        place.mkdir(parents=True, exist_ok=True)
        torch.save(published_state(dictionary.weights()), place / "ae.pt")
        counts = (dictionary.encode(x) > 0).sum(dim=1).float()
        out.print(f"{site}: {counts.mean():.0f} active per token ({counts.min():.0f} to {counts.max():.0f})")


def folder_name(site: Site) -> str:
    """What the Pythia release calls a site."""
    return "embed" if site.kind == "embed" else f"{site.kind}_out_layer{site.layer}"


def published_state(weights: Any) -> dict[str, Tensor]:
    """The tensors of an ``ae.pt`` of class AutoEncoder; decoder columns have length 1."""
    return {
        "bias": weights["b_dec"],
        "encoder.weight": weights["w_enc"],
        "encoder.bias": weights["b_enc"],
        "decoder.weight": weights["w_dec"].T.contiguous(),
    }


if __name__ == "__main__":
    main()
