"""The bundled language: its words, what is hidden in its texts, and what is held out."""

from __future__ import annotations

import random
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuitscope.tasks.agreement import STRUCTURES, agreement_examples, held_out_nouns
from circuitscope.tasks.agreement.words import PEOPLE as EVERY_PERSON
from circuitscope.tasks.agreement.words import PREPOSITIONS, RELATIVE_VERBS, VERBS
from circuitscope.tasks.agreement.words import THINGS as EVERY_THING
from circuitscope.tasks.language import PROFESSIONS, WORDS, biography, document, documents, person, vocabulary
from circuitscope.tasks.language.draft import Draft
from circuitscope.tasks.language.sequences import counting, listing, quotation
from circuitscope.tasks.language.words import FEMALE_NAMES, MALE_NAMES, NUMBERS, PEOPLE, THINGS
from training.check import needed

MANY = list(documents(2000))
FORM_NUMBER = {form: number for verb in (*VERBS, *RELATIVE_VERBS) for number, form in enumerate(verb)}
NUMBER = ("singular", "plural")
KNOWN = frozenset(vocabulary())


def test_every_word_occurs_and_no_other():
    assert {word for item in MANY for word in item.words} == KNOWN


def test_the_nouns_are_those_of_the_agreement_templates():
    assert set(PEOPLE) <= set(EVERY_PERSON)
    assert set(THINGS) <= set(EVERY_THING)


@given(st.integers(0, 10**6), st.integers(0, 50))
def test_a_document_follows_from_number_and_seed(number, seed):
    first, second = document(number, seed), document(number, seed)
    assert first == second
    assert len(first.words) == len(first.known) == WORDS
    assert first.words != document(number + 1, seed).words


def test_the_text_of_a_document_has_its_words_and_nothing_else():
    for item in MANY[:300]:
        assert tuple(re.findall(r"\w+|[^\w\s]", item.text)) == item.words


def test_a_text_is_spaced_as_people_write():
    text = "\n".join(item.text for item in MANY[:500])
    assert re.search(r'says: "\w[^"]*\w"\.', text)
    assert re.search(r"\w \((?:behind|beside|near) the \w+\) \w", text)
    assert not re.search(r" [.,:)\]]|[(\[] |  ", text)


# -- what is hidden --------------------------------------------------------------------------------------


def test_a_verb_agrees_with_the_number_that_is_known():
    """Every verb form that follows a settled number has that number; and numbers are settled often."""
    seen = 0
    for item in MANY:
        for place, word in enumerate(item.words[1:], start=1):
            number = item.known[place - 1].get("number")
            if number and word in FORM_NUMBER:
                assert NUMBER[FORM_NUMBER[word]] == number, item.words[: place + 1]
                assert "number" not in item.known[place] or "outer_number" in item.known[place - 1]
                seen += 1
    assert seen > 5000


def test_the_outer_number_is_that_of_the_noun_before_the_relative_clause():
    singular = {noun[0] for noun in PEOPLE}
    seen = 0
    for item in MANY:
        for place in range(2, len(item.words)):
            if item.words[place - 1] == "that":
                noun = item.words[place - 2]
                assert item.known[place]["outer_number"] == NUMBER[noun not in singular]
                seen += 1
    assert seen > 1000


def test_a_pronoun_has_the_gender_that_is_needed_for_it():
    female, seen = {"She", "she", "Her", "her", "husband"}, 0
    for item in MANY:
        for place in range(len(item.words) - 1):
            found = needed(item, place)
            if found is not None and found.variable == "gender":
                assert (found.value == "female") == (found.right in female), item.words[: place + 2]
                seen += 1
    assert seen > 500


def test_the_outer_number_is_needed_where_the_relative_clause_ends():
    singular, ended = {noun[0] for noun in PEOPLE}, 0
    for item in MANY:
        for place in range(len(item.words) - 1):
            found = needed(item, place)
            if found is None or found.variable != "outer_number":
                continue
            before = max(at for at in range(place) if item.words[at] == "that")
            assert found.value == NUMBER[item.words[before - 1] not in singular]
            ended += 1
    assert ended > 500


def test_names_settle_the_gender_of_a_biography():
    draw = random.Random(0)
    for number in range(200):
        who, draft = person(draw), Draft()
        biography(draft, draw, who, title=number % 2 == 0)
        item = draft.finish(10**6)
        assert who.name in (FEMALE_NAMES if who.gender == "female" else MALE_NAMES)
        assert {known["gender"] for known in item.known if "gender" in known} == {who.gender}
        assert {known["profession"] for known in item.known if "profession" in known} == {who.profession.name}
        theirs = {*who.profession.places, *who.profession.objects, who.profession.field, who.profession.name}
        others = {
            word for job in PROFESSIONS if job != who.profession
            for word in (job.name, *job.places, *job.objects, job.field)
        }  # fmt: skip
        assert theirs & set(item.words)
        assert not (others - theirs) & set(item.words) - {"painting"}


def test_the_wordings_of_a_biography_differ():
    """What a classifier is tested on shares no sentence frame with what it was trained on."""

    def frames(wording):
        draw, found = random.Random(1), set()
        for _ in range(300):
            draft = Draft()
            who = person(draw, "female", PROFESSIONS[0])
            biography(draft, draw, who, title=False, sentences=7, wording=wording)
            found |= {
                sentence.strip().split(" ")[1]
                for sentence in " ".join(draft.words).split(" .")
                if sentence.strip()
            }
        return found

    assert frames(0) != frames(1)


def written(write, seed):
    draft = Draft()
    write(draft, random.Random(seed))
    return draft.finish(10**6)


@given(st.integers(0, 10**6))
def test_counting_goes_on_as_the_hidden_number_says(seed):
    item = written(counting, seed)
    numbers = [place for place, word in enumerate(item.words) if word in NUMBERS]
    assert len(numbers) >= 3
    for place, following in pairwise(numbers):
        assert (
            item.known[place]["next_number"] == item.known[place + 1]["next_number"] == item.words[following]
        )
    assert item.known[-1] == {}


@given(st.integers(0, 10**6))
def test_a_list_has_as_many_things_as_it_says(seed):
    item = written(listing, seed)
    things = {noun[0] for noun in THINGS}
    named = [place for place, word in enumerate(item.words) if word in things]
    assert item.words[2] == NUMBERS[len(named) - 1]
    remaining = [item.known[place]["remaining"] for place in named]
    assert remaining == ["several"] * (len(named) - 2) + ["one", "none"]
    assert item.words[named[-1] - 2] == "and"
    assert item.words.count("and") == 1


@given(st.integers(0, 10**6))
def test_a_quotation_is_open_between_its_marks(seed):
    item = written(quotation, seed)
    first, last = (place for place, word in enumerate(item.words) if word == '"')
    open_at = [place for place, known in enumerate(item.known) if known.get("quote") == "open"]
    assert open_at == list(range(first, last))


# -- what is held out ---------------------------------------------------------------------------------------

NOUN, PREPOSITION = r"(\w+)", f"(?:{'|'.join(PREPOSITIONS)})"
MAIN = "|".join(form for verb in VERBS for form in verb)
LIKES = "|".join(form for verb in RELATIVE_VERBS for form in verb)
START = r"(?:^|[.\"] ?|and )[Tt]he"
PATTERNS = {
    "simple": rf"{START} {NOUN} (?:{MAIN})\b",
    "across_pp": rf"{START} {NOUN} {PREPOSITION} the {NOUN} (?:{MAIN}|{LIKES})\b",
    "within_rc": rf"{START} {NOUN} that the {NOUN} (?:{MAIN})\b",
    "across_rc": rf"{START} {NOUN} that the {NOUN} (?:{LIKES}) (?:{MAIN})\b",
}


@pytest.mark.parametrize("structure", STRUCTURES)
def test_nouns_of_the_test_split_never_stand_in_a_template(structure):
    held_out = held_out_nouns(KNOWN.__contains__)
    nouns = {form for noun in (*PEOPLE, *THINGS) for form in noun}
    text = "\n".join(item.text for item in MANY)
    found = {
        noun
        for match in re.finditer(PATTERNS[structure], text, re.MULTILINE)
        for noun in match.groups()
        if noun in nouns
    }
    assert len(found) > 40, "the pattern finds nothing"
    assert len(held_out) >= 50
    assert not found & held_out


def test_the_test_examples_use_only_nouns_that_are_held_out(tokenizer):
    for structure in STRUCTURES:
        for example in agreement_examples(structure, tokenizer)[1]:
            nouns = {
                word
                for word in example.clean_prefix.split()
                if word.rstrip("s") in {n for n, _ in (*PEOPLE, *THINGS)}
            }
            assert nouns <= held_out_nouns(KNOWN.__contains__)
            assert nouns


@pytest.fixture(scope="module")
def tokenizer():
    from training.tokenizer import make_tokenizer

    return make_tokenizer()
