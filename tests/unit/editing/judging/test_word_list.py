"""Word lists judge by where a feature is active: against counting by hand, with dictionaries that are words."""

from __future__ import annotations

import pytest
import torch
from judged_circuits import circuit, dashboards
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from toys import VOCAB, toy_dictionaries, toy_hf
from transformers import PreTrainedTokenizerFast

from circuitscope.editing.judging import WordLists, judge_by_words
from circuitscope.editing.judging.word_list import read_words
from circuitscope.errors import BadFile, BadInput
from circuitscope.model import load_model, pad
from circuitscope.results import AUTOMATIC, to_judge
from circuitscope.terms import Site

EMBED, RESID_0 = Site("embed", -1), Site("resid", 0)
TEXTS = ("w2 w3 w4 w5 w3", "w6 w3", "w7 w8 w2", "w9 w4 w4 w5")


@pytest.fixture(scope="module")
def model():
    names = ["<s>", "</s>", *(f"w{number}" for number in range(2, VOCAB))]
    inner = Tokenizer(WordLevel({name: number for number, name in enumerate(names)}, unk_token="</s>"))
    inner.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", unk_token="</s>")
    return load_model(toy_hf("llama"), dtype="float64", device="cpu", tokenizer=tokenizer)


@pytest.fixture(scope="module")
def dictionaries(model):
    return toy_dictionaries(model, "relu", [EMBED, RESID_0])


def to_be_judged():
    one = circuit({f"{site}/{feature}": 1.0 for site in (EMBED, RESID_0) for feature in range(20)})
    return to_judge(one, dashboards(one))


@pytest.fixture(scope="module")
def activations(model, dictionaries):
    """Every feature's activation on every token, text by text."""
    found = {site: [] for site in dictionaries}
    for text in TEXTS:
        tokens = pad([model.tokenizer(text)["input_ids"]], has_bos=False)
        cache = model.capture(tokens, dictionaries.taps(model), tokens.last[:, None])
        for site, dictionary in dictionaries.items():
            found[site].append(dictionary.encode(cache.x[site][0]).abs())
    return {site: torch.cat(some) for site, some in found.items()}


def by_hand(f, words, reach=0):
    """(share, correlation) of a feature and some words, token by token."""
    marks = []
    for text in TEXTS:
        names = text.split()
        for place in range(len(names)):
            marks.append(float(any(name in words for name in names[max(0, place - reach) : place + 1])))
    w = torch.tensor(marks, dtype=torch.float64)
    if f.sum() == 0:
        return None
    together = torch.corrcoef(torch.stack([f, w]))[0, 1] if f.std() > 0 else torch.tensor(0.0)
    return float((f * w).sum() / f.sum()), float(together)


@pytest.mark.parametrize("reach", [0, 1])
@pytest.mark.parametrize("measure", ["share", "correlation"])
def test_scores_are_those_of_counting_by_hand(model, dictionaries, activations, measure, reach):
    words = WordLists(("W3", "w5"), ("w4",), measure, 0.4, reach)
    found = judge_by_words(model, dictionaries, to_be_judged(), TEXTS, words, batch_size=3)
    column, seen = ("share", "correlation").index(measure), set()
    for item in found:
        f = activations[item.site][:, item.feature]
        remove, keep = (by_hand(f, some, reach) for some in ({"w3", "w5"}, {"w4"}))
        if remove is None:
            assert (item.verdict, item.note) == ("unsure", "silent on the texts")
            continue
        remove, keep = remove[column], keep[column]
        expected = "unsure" if max(remove, keep) < 0.4 else "remove" if remove > keep else "keep"
        assert item.verdict == expected
        assert item.note == f"{measure} {remove:.2f} for the words to remove, {keep:.2f} to keep"
        assert item.who.startswith(AUTOMATIC)
        assert item.when
        seen.add(expected)
    assert {"remove", "unsure"} <= seen


def test_one_list_keeps_what_it_does_not_remove(model, dictionaries):
    found = judge_by_words(model, dictionaries, to_be_judged(), TEXTS, WordLists(("w3",), level=0.99))
    assert {item.verdict for item in found if "silent" not in item.note} <= {"keep", "remove"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"remove": ()}, {"remove": ("a",), "keep": ("A",)}, {"remove": ("a",), "measure": "sum"},
        {"remove": ("a",), "level": 0.0}, {"remove": ("a",), "reach": -1},
    ],
)  # fmt: skip
def test_word_lists_that_decide_nothing_are_refused(wrong):
    with pytest.raises(BadInput):
        WordLists(**wrong)


def test_words_come_from_a_file_or_a_list(tmp_path):
    (tmp_path / "words.txt").write_text("she  # a remark\n\n# nothing\nher own\nshe\n", encoding="utf-8")
    assert read_words(str(tmp_path / "words.txt")) == ("she", "her own")
    assert read_words("she, her own,,") == ("she", "her own")
    (tmp_path / "marked.txt").write_bytes("\ufeffshe\r\nher own\r\n".encode())
    assert read_words(str(tmp_path / "marked.txt")) == ("she", "her own")
    (tmp_path / "words.txt").write_bytes(b"\xff")
    with pytest.raises(BadFile, match="cannot be read"):
        read_words(str(tmp_path / "words.txt"))
