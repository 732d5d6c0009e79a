"""Every kind of dictionary: read vectors and pull-backs are autograd's, chunks change nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from circuitscope.dictionaries import Dictionary, base
from circuitscope.dictionaries.affine import JumpReluDictionary, ReluDictionary, TopKDictionary
from circuitscope.dictionaries.identity import IdentityDictionary
from circuitscope.dictionaries.kinds import KINDS, build
from circuitscope.errors import BadDictionary

WIDTH, FEATURES, TOKENS = 6, 20, 9


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def weights(pre_bias: bool = True) -> dict[str, Tensor]:
    named = {
        "w_enc": drawn(FEATURES, WIDTH, seed=0),
        "b_enc": drawn(FEATURES, seed=1),
        "w_dec": drawn(FEATURES, WIDTH, seed=2),
        "b_dec": drawn(WIDTH, seed=3),
    }
    return named | ({"pre_bias": drawn(WIDTH, seed=4)} if pre_bias else {})


MADE: dict[str, Callable[[], Dictionary]] = {
    "relu": lambda: ReluDictionary(**weights(pre_bias=False)),
    "relu with pre-bias": lambda: ReluDictionary(**weights()),
    "topk": lambda: TopKDictionary(k=5, **weights()),
    "jumprelu": lambda: JumpReluDictionary(
        threshold=drawn(FEATURES, seed=5).abs(), **weights(pre_bias=False)
    ),
    "jumprelu with pre-bias": lambda: JumpReluDictionary(
        threshold=drawn(FEATURES, seed=5).abs(), **weights()
    ),
    "identity": lambda: IdentityDictionary(WIDTH, dtype=torch.float64),
}


@pytest.fixture(params=MADE)
def dictionary(request) -> Dictionary:
    return MADE[request.param]()


@pytest.fixture
def x() -> Tensor:
    return 2 * drawn(TOKENS, WIDTH, seed=6)


def rebuilt(dictionary: Dictionary, x: Tensor) -> Tensor:
    """decode(encode(x)) with autograd's graph, written out."""
    vectors = dictionary.write_vectors(torch.arange(dictionary.n_features))
    return dictionary.encode(x) @ vectors + dictionary.bias(x)


def test_read_vectors_are_the_gradients_of_active_features(dictionary, x):
    leaf = x.clone().requires_grad_()
    f = dictionary.encode(leaf)
    active = dictionary.encode_active(x)
    assert len(active) > 0
    read = dictionary.read_vectors(x[active.token], active.feature)
    for token, feature, ours in zip(active.token, active.feature, read, strict=True):
        (gradient,) = torch.autograd.grad(f[token, feature], leaf, retain_graph=True)
        torch.testing.assert_close(ours, gradient[token])


def test_pull_back_is_the_vector_jacobian_product(dictionary, x):
    leaf, gradient = x.clone().requires_grad_(), drawn(TOKENS, WIDTH, seed=7)
    (wanted,) = torch.autograd.grad(rebuilt(dictionary, leaf), leaf, gradient)
    torch.testing.assert_close(dictionary.pull_back(x, dictionary.encode_active(x), gradient), wanted)


def test_pull_back_is_a_small_step_of_decode(dictionary, x):
    direction, gradient = drawn(TOKENS, WIDTH, seed=8), drawn(TOKENS, WIDTH, seed=7)
    step = 1e-7 * direction
    difference = (rebuilt(dictionary, x + step) - rebuilt(dictionary, x - step)) / 2e-7
    ours = dictionary.pull_back(x, dictionary.encode_active(x), gradient)
    torch.testing.assert_close((ours * direction).sum(), (difference * gradient).sum(), rtol=1e-6, atol=1e-6)


def test_some_features_are_columns_of_all(dictionary, x):
    some = torch.tensor([3, 0, 5, 3])
    torch.testing.assert_close(dictionary.encode_some(x, some), dictionary.encode(x)[:, some])


def test_active_features_are_the_dense_ones_that_are_not_0(dictionary, x):
    assert torch.equal(dictionary.encode_active(x).to_dense(), dictionary.encode(x))


def test_no_tokens_have_no_features(dictionary):
    nothing = dictionary.encode_active(torch.zeros(0, WIDTH, dtype=torch.float64))
    assert (len(nothing), nothing.n_tokens) == (0, 0)


def test_decode_is_the_weighted_sum_of_write_vectors_and_the_bias(dictionary, x):
    torch.testing.assert_close(dictionary.decode(dictionary.encode_active(x), x), rebuilt(dictionary, x))


def test_decode_sum_adds_what_goes_to_one_token(dictionary):
    token, feature = torch.tensor([1, 1, 1]), torch.tensor([2, 2, 4])
    value = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64)
    vectors = dictionary.write_vectors(feature)
    wanted = torch.stack([torch.zeros_like(vectors[0]), (value[:, None] * vectors).sum(0)])
    torch.testing.assert_close(dictionary.decode_sum(token, feature, value, 2), wanted)


def test_write_dot_is_the_gradient_times_the_write_vector(dictionary, x):
    active, gradient = dictionary.encode_active(x), drawn(TOKENS, WIDTH, seed=7)
    dots = dictionary.write_dot(gradient, active.token, active.feature)
    wanted = (gradient[active.token] * dictionary.write_vectors(active.feature)).sum(1)
    torch.testing.assert_close(dots, wanted)


def test_chunks_change_nothing(dictionary, x, monkeypatch):
    gradient = drawn(TOKENS, WIDTH, seed=7)

    def everything() -> list[Tensor]:
        active = dictionary.encode_active(x)
        dots = dictionary.write_dot(gradient, active.token, active.feature)
        return [
            *(active.token, active.feature, active.value, dots),
            dictionary.decode(active, x),
            dictionary.pull_back(x, active, gradient),
        ]

    whole = everything()
    assert len(dictionary._parts(torch.zeros(10))) == 1
    monkeypatch.setattr(base, "CHUNK_BYTES", 3 * 8 * WIDTH)
    assert len(dictionary._parts(torch.zeros(10))) == 4
    for ours, wanted in zip(everything(), whole, strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-12, atol=1e-12)


def test_topk_keeps_k_features_of_a_token_and_the_largest():
    dictionary, x = MADE["topk"](), drawn(TOKENS, WIDTH, seed=6)
    relu = ReluDictionary(**weights()).encode(x)
    f = dictionary.encode(x)
    assert ((f > 0).sum(1) == (relu > 0).sum(1).clamp(max=5)).all()
    assert torch.equal(f.max(1).values, relu.max(1).values)
    assert (torch.where(f > 0, 0, relu).max(1).values <= torch.where(f > 0, f, torch.inf).min(1).values).all()


def test_jumprelu_is_silent_up_to_its_threshold():
    one, none = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    dictionary = JumpReluDictionary(threshold=one[0], w_enc=one, b_enc=none, w_dec=one, b_dec=none)
    assert dictionary.encode(torch.tensor([[0.5], [1.0], [1.5]]).double())[:, 0].tolist() == [0, 0, 1.5]


def test_the_zero_baseline_is_the_decoders_bias(dictionary, x):
    nothing = dictionary.encode_active(x).select(
        torch.zeros(len(dictionary.encode_active(x)), dtype=torch.bool)
    )
    torch.testing.assert_close(dictionary.decode(nothing, x), dictionary.bias(x).expand(x.shape))


# -- building from named weights -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_built_from_its_word(kind):
    threshold = {"threshold": torch.zeros(FEATURES)} if kind == "jumprelu" else {}
    made = build(kind, weights() | threshold, {"k": 3}, where="here", tensor="some tensor")
    assert (made.kind, made.n_features, made.width, made.tensor) == (kind, FEATURES, WIDTH, "some tensor")
    again = build(kind, made.weights(), made.settings(), where="here")
    assert (again.kind, again.settings()) == (kind, made.settings())


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        ("gated", {}, "'gated'"),
        ("relu", {"b_dec": None}, "b_dec"),
        ("relu", {"threshold": torch.zeros(FEATURES)}, "threshold"),
        ("jumprelu", {}, "threshold"),
        ("relu", {"w_enc": torch.zeros(WIDTH, FEATURES)}, "w_enc has shape"),
        ("relu", {"pre_bias": torch.zeros(1)}, "pre_bias has shape"),
    ],
)
def test_weights_that_do_not_make_a_dictionary_are_named(kind, change, says):
    given = {name: weight for name, weight in (weights() | change).items() if weight is not None}
    with pytest.raises(BadDictionary, match=says) as error:
        build(kind, given, {"k": 3}, where="file.safetensors")
    assert "file.safetensors" in error.value.got


@pytest.mark.parametrize("k", [0, FEATURES + 1, None, "many"])
def test_a_k_that_cannot_be_is_refused(k):
    with pytest.raises(BadDictionary, match="k = "):
        build("topk", weights(), {"k": k}, where="here")
