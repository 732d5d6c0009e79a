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
from circuitscope.dictionaries.normalised import NORMALISATIONS
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


def own_weights(kind: str) -> dict[str, Tensor]:
    """What a kind has besides the shared weights."""
    if kind.endswith("jumprelu"):
        return {"threshold": drawn(FEATURES, seed=5).abs()}
    if kind.endswith("gated"):
        return {"r_mag": 0.5 * drawn(FEATURES, seed=5), "b_mag": drawn(FEATURES, seed=10)}
    return {}


def made(kind: str) -> Dictionary:
    return build(kind, weights() | own_weights(kind), {"k": 5}, where="here")


NORMALISED = [f"{word} {kind}" for word in NORMALISATIONS for kind in KINDS]
MADE: dict[str, Callable[[], Dictionary]] = {
    **{kind: lambda kind=kind: made(kind) for kind in ("gated", *NORMALISED)},
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
    assert len(dictionary.parts_of(torch.arange(10))) == 1
    monkeypatch.setattr(base, "CHUNK_BYTES", 3 * 8 * WIDTH)
    assert len(dictionary.parts_of(torch.arange(10))) == 4
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


# -- gated and normalised ---------------------------------------------------------------------------------


def test_gated_is_its_two_paths(x):
    """Rajamanoharan et al. 2024, equations 6 and 7, written out."""
    given, own = weights(), own_weights("gated")
    shared = (x - given["pre_bias"]) @ given["w_enc"].T
    gate = shared + given["b_enc"] > 0
    magnitude = torch.relu(own["r_mag"].exp() * shared + own["b_mag"])
    f = made("gated").encode(x)
    torch.testing.assert_close(f, gate * magnitude)
    assert int((gate & (f == 0)).sum()) > 0
    assert int((~gate & (magnitude > 0)).sum()) > 0


def test_gated_is_a_jumprelu_of_its_second_path(x):
    given, own = weights(), own_weights("gated")
    scale = own["r_mag"].exp()
    given["w_enc"], gate_bias, given["b_enc"] = scale[:, None] * given["w_enc"], given["b_enc"], own["b_mag"]
    same = JumpReluDictionary(threshold=own["b_mag"] - scale * gate_bias, **given)
    torch.testing.assert_close(made("gated").encode(x), same.encode(x))


def inside(kind: str, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """n(x), s(x) and what is added back, as SAELens has them."""
    if kind.startswith("layer_norm"):
        mean, deviation = x.mean(-1, keepdim=True), x.std(-1, keepdim=True)
        return (x - mean) / (deviation + 1e-5), deviation, mean
    length = x.norm(dim=-1, keepdim=True)
    return x * WIDTH**0.5 / length, length / WIDTH**0.5, torch.zeros(())


@pytest.mark.parametrize("kind", NORMALISED)
def test_a_normalised_dictionary_is_the_one_inside_times_the_scale(kind, x):
    """value = s(x) f(n(x)); with s(x) b and the mean added, which belong to the error, it is the published x̂."""
    plain = made(kind.split(" ")[1])
    normal, scale, added = inside(kind, x)
    torch.testing.assert_close(made(kind).encode(x), scale * plain.encode(normal))
    published = scale * plain.decode(plain.encode_active(normal), normal) + added
    ours = made(kind).decode(made(kind).encode_active(x), x)
    torch.testing.assert_close(ours + scale * plain.weights()["b_dec"] + added, published)


@pytest.mark.parametrize("kind", NORMALISED)
def test_a_normalised_decoder_does_not_depend_on_x(kind, x):
    """What makes the line between two inputs straight: the same vectors and the same b = 0 at every x."""
    dictionary = made(kind)
    vectors = dictionary.write_vectors(torch.arange(FEATURES))
    assert torch.equal(vectors, weights()["w_dec"])
    assert torch.equal(dictionary.bias(x), torch.zeros_like(x))
    assert dictionary.separable == made(kind.split(" ")[1]).separable


@pytest.mark.parametrize("word", NORMALISATIONS)
def test_a_token_without_a_direction_has_no_features_and_no_nan(word):
    """0, and for layer_norm any constant, have no normalised form."""
    dictionary, x = made(f"{word} relu"), torch.zeros(2, WIDTH, dtype=torch.float64)
    assert (dictionary.encode(x) == 0).all()
    some = torch.arange(2)
    assert torch.isfinite(dictionary.read_vectors(x, some)).all()


@pytest.mark.parametrize("word", NORMALISATIONS)
def test_long_vectors_do_not_overflow_in_half_precision(word, x):
    """Squares of 300 do not fit into float16; the stream of real models is longer than that."""
    dictionary = made(f"{word} relu")
    wanted = dictionary.encode(300 * x)
    dictionary.move("cpu", torch.float16)
    torch.testing.assert_close(dictionary.encode(300 * x.half()).double(), wanted, rtol=0.1, atol=20)


@pytest.mark.parametrize("kind", ["gated", *NORMALISED, "identity"])
def test_a_dictionary_moves_to_another_number_format(kind):
    dictionary = MADE[kind]()
    dictionary.move("cpu", torch.float32)
    assert dictionary.dtype == torch.float32
    assert dictionary.encode(torch.zeros(1, WIDTH)).dtype == torch.float32
    assert {weight.dtype for weight in dictionary.weights().values()} <= {torch.float32}


def test_the_zero_baseline_is_the_decoders_bias(dictionary, x):
    nothing = dictionary.encode_active(x).select(
        torch.zeros(len(dictionary.encode_active(x)), dtype=torch.bool)
    )
    torch.testing.assert_close(dictionary.decode(nothing, x), dictionary.bias(x).expand(x.shape))


# -- building from named weights -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, *NORMALISED])
def test_a_kind_is_built_from_its_word(kind):
    made = build(kind, weights() | own_weights(kind), {"k": 3}, where="here", tensor="some tensor")
    assert (made.kind, made.n_features, made.width, made.tensor) == (kind, FEATURES, WIDTH, "some tensor")
    again = build(kind, made.weights(), made.settings(), where="here")
    assert (again.kind, again.settings()) == (kind, made.settings())


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        ("transcoder", {}, "'transcoder'"),
        ("batch_norm relu", {}, "'batch_norm relu'"),
        ("layer_norm identity", {}, "'layer_norm identity'"),
        ("layer_norm layer_norm relu", {}, "'layer_norm layer_norm relu'"),
        ("gated", {}, "r_mag"),
        ("gated", own_weights("gated") | {"b_mag": torch.zeros(1)}, "b_mag has shape"),
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
