"""A tiny random model with a tokenizer, on disk and in memory, and a text that it can read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from circuitscope.dictionaries.training.threads import one_core_per_task
from circuitscope.model import LanguageModel, load_model

N_WORDS = 40


def tiny_tokenizer(*, adds_bos: bool) -> PreTrainedTokenizerFast:
    words = {"<s>": 0, "<unk>": 1} | {f"w{i}": i + 2 for i in range(N_WORDS)}
    inner = Tokenizer(WordLevel(words, unk_token="<unk>"))
    inner.pre_tokenizer = WhitespaceSplit()
    if adds_bos:
        inner.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", unk_token="<unk>")


@pytest.fixture(scope="session")
def make_tokenizer() -> Callable[..., PreTrainedTokenizerFast]:
    return tiny_tokenizer


@pytest.fixture
def pool() -> Iterator[Executor]:
    with one_core_per_task(torch.device("cpu")) as executor:
        yield executor


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=N_WORDS + 2,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    folder = tmp_path_factory.mktemp("tiny") / "model"
    LlamaForCausalLM(config).save_pretrained(folder)
    tiny_tokenizer(adds_bos=True).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model(model_folder: Path) -> LanguageModel:
    return load_model(model_folder, device="cpu")


@pytest.fixture(scope="session")
def text() -> str:
    """120 documents of 5 to 40 words, in which a word is mostly followed by the next."""
    generator = torch.Generator().manual_seed(1)
    documents = []
    for _ in range(120):
        length = int(torch.randint(5, 41, (), generator=generator))
        steps = torch.randint(0, 4, (length,), generator=generator).cumsum(0)
        documents.append(" ".join(f"w{int(step) % N_WORDS}" for step in steps))
    return "\n<|endoftext|>\n".join(documents)
