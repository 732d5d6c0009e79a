"""A tiny random GPT-NeoX with a word-level tokenizer, dictionaries and tasks, on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

import circuitscope as cs
from circuitscope.config import DiscoverConfig
from circuitscope.dictionaries import Dictionaries
from circuitscope.dictionaries.affine import ReluDictionary
from circuitscope.pipeline import run_discover

WIDTH, LAYERS, FEATURES = 16, 2, 24
NOUNS = ("cat", "dog", "boy", "girl", "cook", "king")
VERBS = (("is", "are"), ("has", "have"))


def words() -> dict[str, int]:
    every = ["<s>", "The", "old", "near", "the", *NOUNS, *(f"{noun}s" for noun in NOUNS)]
    every += [form for verb in VERBS for form in verb]
    return {word: number for number, word in enumerate(every)}


def save_model(folder: Path, model: torch.nn.Module) -> Path:
    model.save_pretrained(folder)
    inner = Tokenizer(WordLevel(words(), unk_token="<s>"))
    inner.pre_tokenizer = WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", unk_token="<s>").save_pretrained(folder)
    return folder


def random_dictionary(width: int = WIDTH, seed: int = 0) -> ReluDictionary:
    draw = torch.Generator().manual_seed(seed)
    w_dec = torch.nn.functional.normalize(torch.randn(FEATURES, width, generator=draw), dim=1)
    bias = 0.1 * torch.randn(width, generator=draw)
    return ReluDictionary(w_enc=w_dec.clone(), b_enc=torch.zeros(FEATURES), w_dec=w_dec, b_dec=bias)


def pair(noun: str, verb: tuple[str, str], number: int, front: str = "The") -> dict[str, str]:
    forms = (noun, f"{noun}s")
    return {
        "clean_prefix": f"{front} {forms[number]}",
        "clean_answer": f" {verb[number]}",
        "patch_prefix": f"{front} {forms[1 - number]}",
        "patch_answer": f" {verb[1 - number]}",
    }


def write_lines(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@dataclass(frozen=True)
class World:
    """What a command is given."""

    model: Path
    dictionaries: Path
    task: Path

    def discover(self, out: Path | None, **changed: object) -> list[str]:
        """The words of a discover command; an option of None is left away, True is a flag."""
        options: dict[str, object] = {
            "model": self.model,
            "dictionaries": self.dictionaries,
            "task": self.task,
            "out": out,
            "nodes": 12,
            "batch_size": 8,
            "device": "cpu",
        }
        found = ["discover"]
        for name, value in (options | changed).items():
            flag = f"--{name.replace('_', '-')}"
            if value is True:
                found.append(flag)
            elif value is not None:
                found += [flag, str(value)]
        return found


def make_world(folder: Path) -> World:
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=len(words()),
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        max_position_embeddings=32,
        initializer_range=0.4,
    )
    model = save_model(folder / "model", GPTNeoXForCausalLM(config))
    sites = ["embed", *(f"{kind}_{layer}" for layer in range(LAYERS) for kind in ("attn", "mlp", "resid"))]
    by_site = {cs.Site.parse(name): random_dictionary(seed=number) for number, name in enumerate(sites)}
    cs.write_dictionaries(Dictionaries(by_site, name="random"), folder / "dictionaries")
    rows = [pair(noun, verb, number) for noun in NOUNS for verb in VERBS for number in (0, 1)]
    return World(model, folder / "dictionaries", write_lines(folder / "agreement.jsonl", rows))


@dataclass(frozen=True)
class Result:
    """What a command said."""

    status: int
    out: str
    err: str


def make_run(world: World, out: Path, **changed: Any) -> Path:
    """What ``world.discover`` makes."""
    places = {"model": world.model, "dictionaries": world.dictionaries, "task": world.task, "out": out}
    settings: dict[str, Any] = {"nodes": 12, "batch_size": 8, "device": "cpu"} | changed
    run_discover(DiscoverConfig(**{name: str(place) for name, place in places.items()}, **settings))
    return out
