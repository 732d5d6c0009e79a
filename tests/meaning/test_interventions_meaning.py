"""ablate, scale and steer are the equations of ``circuitscope.interventions.change``, written out by hand.

The hand computes on dense tensors with the dictionary's encoder and the rows of its decoder: f = encode(x),
ε = x − b − Σ f_i v_i, and x' as the equations say; it replaces the site's tensor at live tokens and runs the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from toys import (
    EVERY_FAMILY,
    FAMILIES,
    KINDS,
    every_token,
    linear_model,
    toy_dictionaries,
    toy_inputs,
    toy_model,
)

import circuitscope as cs
from circuitscope.dictionaries import Dictionaries
from circuitscope.interventions import feature_edits
from circuitscope.model import Edits, LanguageModel, TokenBatch
from circuitscope.terms import ERROR, SUMMED, NodeId, Site

EMBED, ATTN, MLP, RESID = Site("embed", -1), Site("attn", 1), Site("mlp", 0), Site("resid", 0)
SITES = [EMBED, MLP, RESID, ATTN]
ACTIVATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "ablate": lambda f, a: torch.full_like(f, a),
    "scale": lambda f, s: s * f,
    "steer": lambda f, t: f + t,
}
"""What each verb makes of a feature's activation."""
VERBS = {"ablate": cs.ablate, "scale": cs.scale, "steer": cs.steer}
NUMBERS = {
    "ablate": {"embed/3": 1.5, "mlp_0/2@2": 0.0, "mlp_0/7": 4.0, "attn_1/5@1": 2.0, "attn_1/5@3": -1.0,
               "resid_0/error": 0.0},
    "scale": {"embed/3": 0.0, "mlp_0/2@2": 3.0, "mlp_0/7": -1.0, "attn_1/5": 2.5, "attn_1/error@2": 0.5,
              "resid_0/error": 2.0},
    "steer": {"embed/3": 1.5, "mlp_0/2@2": -3.0, "mlp_0/7": 2.0, "attn_1/5": 2.5, "resid_0/0": 4.0},
}  # fmt: skip
"""At four sites, at positions and everywhere, features and errors."""


def by_hand(
    model: LanguageModel,
    dictionaries: Dictionaries,
    tokens: TokenBatch,
    verb: str,
    numbers: Mapping[str, float],
) -> Edits:
    taps = dictionaries.taps(model)
    nodes = [(NodeId.parse(name), number) for name, number in numbers.items()]

    def edit_of(site: Site) -> Callable[[Tensor], Tensor]:
        dictionary = dictionaries[site]
        write = dictionary.write_vectors(torch.arange(dictionary.n_features))

        def edit(x: Tensor) -> Tensor:
            flat = x.reshape(-1, x.shape[-1])
            f = dictionary.encode(flat)
            error = flat - dictionary.bias(flat) - f @ write
            new = flat.clone()
            for node, number in nodes:
                if node.site != site:
                    continue
                here = tokens.live & (
                    (tokens.position_ids == node.position) if node.position != SUMMED else tokens.mask
                )
                where = here.reshape(-1, 1)
                if node.feature == ERROR:
                    new = new + where * (number - 1) * error
                else:
                    was = f[:, node.feature]
                    change = ACTIVATIONS[verb](was, number) - was
                    new = new + where * change[:, None] * write[node.feature]
            return new.view(x.shape)

        return edit

    return {site: (taps[site], edit_of(site)) for site in sorted({node.site for node, _ in nodes})}


def setting(family: str, kind: str = "relu", side: str = "left"):
    model = toy_model(family)
    return model, toy_dictionaries(model, kind, SITES), toy_inputs([6, 4, 5], bos=True, side=side).clean


def assert_like_by_hand(model, dictionaries, tokens, verb, numbers):
    columns = every_token(tokens)
    wanted = model.logits(tokens, columns, by_hand(model, dictionaries, tokens, verb, numbers))
    with VERBS[verb](model, dictionaries, numbers) as edited:
        got = edited.logits(tokens, columns)
        given = edited.hf(
            tokens.ids, attention_mask=tokens.mask.long(), position_ids=tokens.position_ids
        ).logits
    plain = model.logits(tokens, columns)
    assert_close(got[tokens.mask], wanted[tokens.mask], atol=1e-9, rtol=1e-9)
    assert_close(given[tokens.mask], wanted[tokens.mask], atol=1e-6, rtol=1e-6)
    assert (got - plain)[tokens.live].abs().max() > 1e-2, "the test would not see an edit"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_in_every_family_it_is_the_edit_by_hand(family, verb):
    assert_like_by_hand(*setting(family), verb, NUMBERS[verb])


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", KINDS)
def test_with_every_kind_of_dictionary_it_is_the_edit_by_hand(kind, verb):
    """The identity has no error: what is made of it has no part in either."""
    model, dictionaries, tokens = setting("gemma2", kind, side="right")
    assert_like_by_hand(model, dictionaries, tokens, verb, NUMBERS[verb])


@pytest.mark.parametrize("verb", VERBS)
def test_bos_and_padding_keep_every_bit(verb):
    """Where the embedding is changed at every token, it is seen as it was at BOS and padding."""
    model, dictionaries, tokens = setting("llama")
    tap = dictionaries.taps(model)[EMBED]
    seen = {}
    every = {f"embed/{feature}": 3.0 for feature in range(20)}
    with VERBS[verb](model, dictionaries, every):
        model.logits(tokens, every_token(tokens), {EMBED: (tap, lambda x: seen.setdefault("x", x))})
    plain = model.capture(tokens, {EMBED: tap}, tokens.last[:, None]).x[EMBED]
    assert torch.equal(seen["x"][~tokens.live], plain[~tokens.live])
    assert (seen["x"] - plain)[tokens.live].abs().amax(dim=-1).min() > 1e-2


def test_numbers_that_a_person_can_check():
    """With neurons as features v_i is a unit vector: each verb does to one number of x what it says."""
    model = linear_model()
    dictionaries = toy_dictionaries(model, "identity", [RESID])
    tokens = toy_inputs([5]).clean
    tap = dictionaries.taps(model)[RESID]
    plain = model.capture(tokens, {RESID: tap}, tokens.last[:, None]).x[RESID][0, :, 4]
    for verb, wanted in {
        "ablate": torch.full_like(plain, 3.0),
        "scale": 3.0 * plain,
        "steer": plain + 3.0,
    }.items():
        seen = {}
        with VERBS[verb](model, dictionaries, {"resid_0/4": 3.0}):
            model.logits(
                tokens, every_token(tokens), {RESID: (tap, lambda x, seen=seen: seen.setdefault("x", x))}
            )
        assert_close(seen["x"][0, :, 4], wanted)


@pytest.mark.parametrize("family", FAMILIES)
def test_words_for_the_same_edit_agree(family):
    """Scaling by 0 is holding at 0, by 1 nothing; so is steering by 0; an error times 0 is an error removed."""
    model, dictionaries, tokens = setting(family, "topk")
    columns = every_token(tokens)

    def logits(context):
        with context:
            return model.logits(tokens, columns)[tokens.mask]

    nodes = ["mlp_0/2", "attn_1/error@2", "resid_0/error", "resid_0/4@1"]
    plain = model.logits(tokens, columns)[tokens.mask]
    held = logits(cs.ablate(model, dictionaries, nodes))
    assert_close(logits(cs.scale(model, dictionaries, dict.fromkeys(nodes, 0.0))), held)
    assert (held - plain).abs().max() > 1e-2
    assert_close(logits(cs.scale(model, dictionaries, dict.fromkeys(nodes, 1.0))), plain)
    assert_close(logits(cs.steer(model, dictionaries, {"mlp_0/2": 0.0})), plain)


def test_holding_is_what_edits_of_features_do():
    model, dictionaries, tokens = setting("neox-sequential", "gated")
    features = {MLP: torch.tensor([2, 7]), RESID: torch.tensor([1])}
    means = {MLP: torch.tensor([0.5, 4.0]).double(), RESID: torch.tensor([2.0]).double()}
    edits = feature_edits(model, dictionaries, features, tokens, "mean", means)
    with cs.ablate(model, dictionaries, {"mlp_0/2": 0.5, "mlp_0/7": 4.0, "resid_0/1": 2.0}):
        got = model.logits(tokens, every_token(tokens))
    assert torch.equal(got, model.logits(tokens, every_token(tokens), edits))


@pytest.mark.parametrize(
    "verbs", [("ablate", "scale"), ("scale", "ablate"), ("steer", "scale"), ("scale", "steer")]
)
def test_an_inner_context_reads_what_the_outer_one_left(verbs):
    """At one site: first the outer edit, then the inner one on its result, each by hand."""
    outer, inner = verbs
    model, dictionaries, tokens = setting("gemma2")
    first, second = {"resid_0/3": 2.0, "resid_0/5": 1.0}, {"resid_0/3": 4.0, "resid_0/6": 3.0}
    (tap, before), (_, after) = (
        by_hand(model, dictionaries, tokens, verb, numbers)[RESID]
        for verb, numbers in ((outer, first), (inner, second))
    )
    columns = every_token(tokens)
    with VERBS[outer](model, dictionaries, first), VERBS[inner](model, dictionaries, second):
        got = model.logits(tokens, columns)
    wanted = model.logits(tokens, columns, {RESID: (tap, lambda x: after(before(x)))})
    other = model.logits(tokens, columns, {RESID: (tap, lambda x: before(after(x)))})
    assert_close(got[tokens.live], wanted[tokens.live], atol=1e-9, rtol=1e-9)
    assert (wanted - other)[tokens.live].abs().max() > 1e-3, "the test would not see the order"


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_generated_tokens_are_those_chosen_by_hand(family, verb, cached):
    """Each token generated is the likeliest one of the text so far, edited by hand as a whole."""
    model, dictionaries, tokens = setting(family)
    numbers = {**NUMBERS[verb], "mlp_0/1@7": 6.0}  # position 7 is reached only as the longest text grows
    ids, mask = tokens.ids, tokens.mask
    for _ in range(4):
        batch = TokenBatch(ids, mask, has_bos=True)
        edits = by_hand(model, dictionaries, batch, verb, numbers)
        logits = model.logits(batch, batch.last[:, None], edits)[:, 0]
        logits[:, 1] = -torch.inf  # the end of a text is not generated
        ids = torch.cat([ids, logits.argmax(dim=1, keepdim=True)], dim=1)
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
    settings = {"attention_mask": tokens.mask.long(), "max_new_tokens": 4, "min_new_tokens": 4, "do_sample": False,
                "pad_token_id": 1, "use_cache": cached}  # fmt: skip
    with VERBS[verb](model, dictionaries, numbers) as edited:
        assert torch.equal(edited.hf.generate(tokens.ids, **settings), ids)
    assert not torch.equal(model.hf.generate(tokens.ids, **settings), ids), "the test would not see an edit"
