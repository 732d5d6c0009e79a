"""A tiny random GPT-NeoX with a word-level tokenizer, dictionaries and tasks on disk, and the program in-process."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

import circuitscope as cs
from circuitscope.cli import main
from circuitscope.dictionaries import Dictionaries
from circuitscope.dictionaries.affine import ReluDictionary

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


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
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


Program = Callable[..., Result]


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """Run ``circuitscope WORD…`` in this process, as the installed script does."""
    for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "TRANSFORMERS_VERBOSITY", "TQDM_DISABLE"):
        monkeypatch.setenv(name, os.environ.get(name, "1"))  # main sets them, the next test must not see that
    monkeypatch.setenv("COLUMNS", "200")
    log = logging.getLogger("circuitscope")
    handlers, level = list(log.handlers), log.level

    def run(*command: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["circuitscope", *map(str, command)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        status = stop.value.code
        return Result(status if isinstance(status, int) else int(status is not None), said.out, said.err)

    yield run
    log.handlers[:], log.level = handlers, level


@pytest.fixture(scope="session")
def made(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run folder, to be copied by tests that change it."""
    from circuitscope.config import DiscoverConfig
    from circuitscope.pipeline import run_discover

    out = tmp_path_factory.mktemp("made") / "run"
    run_discover(
        DiscoverConfig(
            model=str(world.model),
            dictionaries=str(world.dictionaries),
            task=str(world.task),
            out=str(out),
            nodes=12,
            batch_size=8,
            device="cpu",
        )
    )
    return out
