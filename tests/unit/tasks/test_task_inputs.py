"""What an answer's token is, which examples are skipped and why, and how a batch holds them."""

from __future__ import annotations

import pytest
import torch

from circuitscope.errors import BadInput, NothingFound
from circuitscope.tasks import Example, Task, make_inputs
from circuitscope.tasks.inputs import CannotUse, Encoded, batches, encode_example, encode_examples


def pair(clean: str, answer: str, patch: str, other: str) -> Example:
    return Example(clean, (answer,), patch, (other,))


CATS = pair("The cats", " are", "The cat", " is")
DOGS = pair("The old dogs", " have", "The old dog", " has")


def ids(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def test_an_answer_is_the_one_token_that_it_adds(tokenizer):
    found = encode_example(CATS, tokenizer, bos=False)
    assert list(found.clean) == ids(tokenizer, "The cats")
    assert [*found.clean_answers, *found.patch_answers] == ids(tokenizer, "are is")


def test_an_answer_may_be_a_set_and_counts_a_token_once(tokenizer):
    found = encode_example(Example("The cat", (" is", " has", " is")), tokenizer, bos=False)
    assert list(found.clean_answers) == ids(tokenizer, "is has")


def test_the_bos_goes_before_both_sides(tokenizer):
    found = encode_example(CATS, tokenizer, bos=True)
    assert found.clean[0] == found.patch[0] == tokenizer.bos_token_id
    assert found.length == 3


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        (Example("The cat", (" is not",)), "an answer is not one token"),
        (Example("The cat", (" is", " is not")), "an answer is not one token"),
        (Example("The cat", ("s",)), "an answer changes the prefix's tokens"),
        (Example("The cat", (" ",)), "an answer is not one token"),
        (Example("The cat", (" purrs",)), "an answer is a word that the tokenizer does not know"),
        (Example(" ", ("is",)), "the prefix has no tokens"),
        (pair("The cats", " are", "The old cat", " is"), "clean and patch differ in length"),
        (pair("The cats", " are", "The cat", " are"), "clean and patch have an answer in common"),
    ],
)
def test_what_breaks_a_rule_cannot_be_used(tokenizer, example, reason):
    with pytest.raises(CannotUse) as error:
        encode_example(example, tokenizer, bos=False)
    assert str(error.value) == reason


def test_a_byte_pair_answer_that_melts_into_the_prefix_is_refused(gpt_neox):
    assert encode_example(Example("The friends", (" have",)), gpt_neox, bos=False).length == 2
    with pytest.raises(CannotUse, match="changes the prefix"):
        encode_example(Example("The friend", ("s",)), gpt_neox, bos=False)
    with pytest.raises(CannotUse, match="not one token"):
        encode_example(Example("The friends", (" antidisestablish",)), gpt_neox, bos=False)


def test_skipped_examples_are_counted_by_reason(tokenizer):
    two = Example("The cat", (" is not",))
    encoded, skipped = encode_examples(
        [CATS, two, DOGS, two, pair("The", " is", "The", " is")], tokenizer, bos=False
    )
    assert len(encoded) == 2
    assert skipped == {"an answer is not one token": 2, "clean and patch have an answer in common": 1}


def test_a_task_counts_what_it_skips_on_the_way_and_keeps_its_order(tokenizer):
    task = Task("t", (CATS, Example("The", (" is not",), "The", (" is",)), DOGS, CATS), ())
    for limit, sizes in ((1, (1, 0)), (2, (2, 1)), (None, (3, 1))):
        encoded, skipped = task.encode("train", tokenizer, bos=False, limit=limit)
        assert (len(encoded), sum(skipped.values())) == sizes
        usable = [CATS, DOGS, CATS][: len(encoded)]
        assert encoded == [encode_example(example, tokenizer, bos=False) for example in usable]


@pytest.mark.parametrize(("split", "says"), [("train", r"not one token \(2\)"), ("test", "it is empty")])
def test_a_split_without_a_usable_example_lists_the_reasons(tokenizer, split, says):
    task = Task("t", (Example("The", (" is not",)),) * 2, ())
    with pytest.raises(NothingFound, match=says):
        task.encode(split, tokenizer, bos=False)


def test_there_are_two_splits(tokenizer):
    with pytest.raises(BadInput, match="'dev'"):
        Task("t", (CATS,), ()).encode("dev", tokenizer, bos=False)


# -- batches -----------------------------------------------------------------------------------------------


def test_a_batch_holds_every_example_with_its_answers(tokenizer):
    more = Example("The cat", (" is", " has"), "The cats", (" are",))
    encoded, _ = encode_examples([CATS, DOGS, more], tokenizer, bos=True)
    inputs = make_inputs(encoded, has_bos=True)
    assert inputs.is_pair
    assert [row[m].tolist() for row, m in zip(inputs.clean.ids, inputs.clean.mask, strict=True)] == [
        list(example.clean) for example in encoded
    ]
    answers = [row[m].tolist() for row, m in zip(inputs.clean_answers, inputs.clean_answer_mask, strict=True)]
    assert answers == [list(example.clean_answers) for example in encoded]
    assert torch.equal(inputs.patch.mask, inputs.clean.mask)


def test_single_inputs_have_no_patch_side(tokenizer):
    encoded, _ = encode_examples([Example("The cat", (" is",))], tokenizer, bos=False)
    inputs = make_inputs(encoded, has_bos=False)
    assert (inputs.is_pair, inputs.patch, inputs.patch_answers.shape) == (False, None, (1, 0))
    with pytest.raises(BadInput, match="no patch side"):
        inputs.swapped()


def test_swapping_twice_changes_nothing(tokenizer):
    inputs = make_inputs(encode_examples([CATS, DOGS], tokenizer, bos=False)[0], has_bos=False)
    assert torch.equal(inputs.swapped().clean.ids, inputs.patch.ids)
    assert torch.equal(inputs.swapped().clean_answers, inputs.clean_answers)
    assert torch.equal(inputs.swapped().swapped().clean.ids, inputs.clean.ids)


def test_batches_are_the_examples_in_order(tokenizer):
    encoded, _ = encode_examples([CATS, DOGS, CATS], tokenizer, bos=False)
    parts = list(batches(encoded, 2, has_bos=False))
    assert [len(part) for part in parts] == [2, 1]
    assert torch.equal(parts[1].clean.ids, make_inputs(encoded[2:], has_bos=False).clean.ids)


def test_pairs_and_single_inputs_do_not_mix():
    single, double = Encoded((1,), None, (2,), ()), Encoded((1,), (3,), (2,), (4,))
    with pytest.raises(BadInput, match="some of them pairs"):
        make_inputs([single, double], has_bos=False)
    with pytest.raises(BadInput, match="no examples"):
        make_inputs([], has_bos=False)
