"""Agreement templates: one length, no noun in both splits, the verb agrees, and the answer flips."""

from __future__ import annotations

import pytest

from circuitscope.errors import BadInput
from circuitscope.tasks.agreement import STRUCTURES, agreement_examples
from circuitscope.tasks.agreement.words import PEOPLE, RELATIVE_VERBS, THINGS, VERBS
from circuitscope.tasks.inputs import encode_examples

LENGTHS = {"simple": 2, "across_pp": 5, "within_rc": 5, "across_rc": 6}
NOUNS = {form: forms for forms in (*PEOPLE, *THINGS) for form in forms}
NUMBER = {
    form: number for forms in (*PEOPLE, *THINGS, *VERBS, *RELATIVE_VERBS) for number, form in enumerate(forms)
}
SUBJECT = {"simple": 1, "across_pp": 1, "within_rc": 4, "across_rc": 1}
"""Which word the verb agrees with."""


@pytest.fixture(scope="module", params=STRUCTURES)
def made(request, gpt_neox):
    return request.param, *agreement_examples(request.param, gpt_neox)


def nouns(examples) -> set[tuple[str, str]]:
    return {NOUNS[word] for example in examples for word in example.clean_prefix.split() if word in NOUNS}


def test_there_are_enough_distinct_examples(made):
    _, train, test = made
    assert len(set(train)) == len(train) == 400
    assert len(set(test)) == len(test) == 160


def test_train_and_test_share_no_noun(made):
    _, train, test = made
    assert nouns(train)
    assert nouns(test)
    assert not nouns(train) & nouns(test)


def test_every_example_is_usable_and_of_one_length(made, gpt_neox):
    structure, train, test = made
    encoded, skipped = encode_examples([*train, *test], gpt_neox, bos=False)
    assert not skipped
    assert {example.length for example in encoded} == {LENGTHS[structure]}


def test_the_answer_agrees_with_its_subject_and_flips_with_it(made):
    structure, train, test = made
    for example in (*train, *test):
        clean, patch = example.clean_prefix.split(), example.patch_prefix.split()
        changed = [place for place, (one, other) in enumerate(zip(clean, patch, strict=True)) if one != other]
        assert changed == [SUBJECT[structure]]
        for words, answer in ((clean, example.clean_answer), (patch, example.patch_answer)):
            assert NUMBER[answer[0].strip()] == NUMBER[words[SUBJECT[structure]]]


def test_a_relative_clause_agrees_within_itself(gpt_neox):
    for example in agreement_examples("across_rc", gpt_neox)[0]:
        words = example.clean_prefix.split()
        assert NUMBER[words[4]] == NUMBER[words[5]]


def test_both_numbers_come_about_equally_often(made):
    _, train, _ = made
    plural = sum(example.case.startswith("plural") for example in train)
    assert 150 < plural < 250


def test_the_same_seed_gives_the_same_examples(gpt_neox):
    first, again, other = (
        agreement_examples("simple", gpt_neox, train=50, test=10, seed=s) for s in (0, 0, 1)
    )
    assert first == again != other


def test_no_more_examples_come_than_there_are(make_tokenizer):
    nouns = [form for forms in PEOPLE[:8] for form in forms]
    train, test = agreement_examples("simple", make_tokenizer("<unk>", "The", "is", "are", *nouns, bos=False))
    assert (len(train), len(test)) == (4 * 2, 4 * 2)


def test_too_few_words_say_which_are_short(make_tokenizer):
    known = [form for forms in (*PEOPLE[:5], *VERBS) for form in forms]
    with pytest.raises(BadInput, match="people") as error:
        agreement_examples("simple", make_tokenizer("The", *known, "<unk>", bos=False))
    assert "8 nouns" in error.value.expected


def test_an_unknown_structure_lists_those_there_are(gpt_neox):
    with pytest.raises(BadInput, match="'simpel'") as error:
        agreement_examples("simpel", gpt_neox)
    assert "agreement/across_rc" in error.value.expected
