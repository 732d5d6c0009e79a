"""The wave gives what replaying layer by layer gives, with one call of every block."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from toys import EVERY_FAMILY, FAMILIES, KINDS, toy_dictionaries, toy_hf, toy_inputs, toy_model

from circuitscope.dictionaries import Dictionaries, neuron_dictionaries
from circuitscope.effects import node_effects, output_effects, wave
from circuitscope.effects.nodes import line_of
from circuitscope.effects.quadrature import nested
from circuitscope.effects.replayer import Replayer
from circuitscope.errors import BadInput, UnsupportedModel
from circuitscope.model import check_block_calls, load_model
from circuitscope.tasks.metrics import LOG_PROBABILITY, LOGIT_DIFFERENCE
from circuitscope.terms import Site

CLOSE = {"atol": 1e-9, "rtol": 1e-8}


@pytest.fixture
def both(monkeypatch):
    """Calls a function with the wave forced off, and with it forced on."""

    def run(work):
        found = []
        for setting in ("off", "on"):
            monkeypatch.setenv(wave.VARIABLE, setting)
            found.append(work())
        return found

    return run


def assert_same(apart, together):
    """Of two mappings from sites to their effects."""
    assert list(apart) == list(together)
    for site, ours in together.items():
        theirs = apart[site]
        torch.testing.assert_close(ours.feature_effect, theirs.feature_effect, **CLOSE)
        torch.testing.assert_close(ours.error_effect, theirs.error_effect, **CLOSE)
        assert (ours.points, ours.gap is None) == (theirs.points, theirs.gap is None), site
        if ours.gap is not None:
            assert ours.gap == pytest.approx(theirs.gap, abs=1e-9)
    assert max(float(ours.feature_effect.abs().max()) for ours in together.values()) > 1e-3


# -- the same numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_copies_that_enter_on_the_way_equal_editing_the_whole_model(family, side):
    """Every site in turn is replaced in one of the copies of a single wave."""
    model = toy_model(family, layers=3)
    inputs = toy_inputs([4, 6], side=side, bos=True)
    tokens, positions = inputs.clean, inputs.clean.last[:, None]
    for variant in range(max(len(taps) for taps in model.family.taps.values())):
        taps = {site: model.family.options(site.kind)[:variant + 1][-1] for site in model.sites}  # fmt: skip
        cache = model.capture(tokens, taps, positions)
        entering, rows, whole = {}, [], []
        for number, (site, tap) in enumerate(taps.items()):
            row = torch.tensor([number % 2])
            x = cache.x[site].clone()
            x[row] += torch.randn(
                x[row].shape, generator=torch.Generator().manual_seed(number), dtype=x.dtype
            )
            whole.append(model.logits(tokens, positions, {site: (tap, lambda _, x=x: x)})[row])
            entry, stream = model.enter(site, tap, x[row], cache, row)
            entering.setdefault(entry, []).append(stream)
            rows.append(row)
        every = torch.cat(rows)
        streams = {entry: torch.cat(parts) for entry, parts in entering.items()}
        calls = model.block_calls(tokens).on(every)
        part = model.replay_growing(streams, calls, positions[every])
        torch.testing.assert_close(part, torch.cat(whole), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("pair", [True, False], ids=["pairs", "singles"])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_ig_with_its_nested_rules(family, side, pair, both):
    model = toy_model(family, layers=3, seed=3)
    dictionaries = toy_dictionaries(model, "relu")
    inputs = toy_inputs([4, 8, 6], pair=pair, side=side, bos=True)
    metric = LOGIT_DIFFERENCE if pair else LOG_PROBABILITY
    apart, together = both(lambda: node_effects(model, dictionaries, inputs, metric).sites)
    assert_same(apart, together)


@pytest.mark.parametrize("lengths", [[6, 6], [4, 8]], ids=["even", "padded"])
@pytest.mark.parametrize("family", sorted({*EVERY_FAMILY} - {"gemma2"}))  # which has no fused attention
def test_fused_attention(family, lengths, both):
    """The attention that models load with; in most families it gets no mask where there is no padding."""
    hf = toy_hf(family, layers=3, seed=3)
    hf.set_attn_implementation("sdpa")
    model = load_model(hf, dtype="float64", device="cpu")
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs(lengths)
    if family == "llama":
        masks = [by_name["attention_mask"] for _, by_name in model.block_calls(inputs.clean).arguments]
        assert [mask is None for mask in masks] == [lengths == [6, 6]] * 3
    apart, together = both(lambda: node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE).sites)
    assert_same(apart, together)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["exact", "ig"])
def test_every_kind_of_dictionary(kind, method, both):
    model = toy_model("gemma2")
    dictionaries, inputs = toy_dictionaries(model, kind), toy_inputs([5, 7])
    apart, together = both(
        lambda: node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method=method).sites
    )
    assert_same(apart, together)


@pytest.mark.parametrize("family", EVERY_FAMILY)
@pytest.mark.parametrize("rule", ["left", "midpoint", "gauss"])
def test_every_rule_of_so_many_points(family, rule, both):
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, "topk"), toy_inputs([5, 5])
    apart, together = both(
        lambda: node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, rule=rule, points=4).sites
    )
    assert_same(apart, together)


@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_exact_effects(family, both):
    model = toy_model(family, layers=3)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([4, 6], side="left", bos=True)
    apart, together = both(
        lambda: node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method="exact").sites
    )
    assert_same(apart, together)


@pytest.mark.parametrize("method", ["ig", "exact"])
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_sites_that_are_missing_and_other_tensors(family, method, both):
    """Each family's last tensor of a kind, at some sites of a model."""
    model = toy_model(family, layers=3)
    chosen = {}
    for site in (Site("attn", 0), Site("mlp", 1), Site("attn", 2)):
        (chosen[site],) = neuron_dictionaries(
            model, [site], tensor=model.family.options(site.kind)[-1].name
        ).values()
    dictionaries, inputs = Dictionaries(chosen, name="some"), toy_inputs([5, 7], side="left", bos=True)
    taps = dictionaries.taps(model)
    assert all(taps[site] != model.tap(site) for site in chosen)
    apart, together = both(
        lambda: node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method=method).sites
    )
    assert_same(apart, together)
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE)
    assert_same(*both(lambda: output_effects(model, dictionaries, effects)))


@pytest.mark.parametrize("method", ["ig", "relp"])
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_edges_into_the_output_where_the_last_sites_have_no_residual_dictionary(family, method, both):
    model = toy_model(family, layers=3)
    sites = [site for site in model.sites if site.kind in ("attn", "mlp")]
    dictionaries, inputs = toy_dictionaries(model, "relu", sites), toy_inputs([4, 7], side="left")
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method=method)
    odd = replace(
        effects, budget=7 * model.bytes_per_example(7, 0)
    )  # slices that begin in the middle of the batch
    for at, of in (("clean", effects), ("secant", effects), ("clean", odd)):
        apart, together = both(lambda at=at, of=of: output_effects(model, dictionaries, of, at=at))
        assert_same(apart, together)


@pytest.mark.parametrize("method", ["ig", "exact"])
def test_a_wave_that_is_cut(method, both):
    """By layers, and down to single copies."""
    model = toy_model("neox-sequential", layers=3)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([4, 6])
    each = model.bytes_per_example(6, -1)
    for budget in (1, 5 * each, 20 * each):
        apart, together = both(
            lambda budget=budget: (
                node_effects(
                    model, dictionaries, inputs, LOGIT_DIFFERENCE, method=method, budget=budget
                ).sites
            )
        )
        assert_same(apart, together)


# -- how often blocks are called ---------------------------------------------------------------------------


class Calls:
    """Counts the calls of every block: without a gradient, with one, and backward."""

    def __init__(self, model):
        self.plain, self.forward, self.backward = 0, 0, 0
        for block in model.blocks:
            block.register_forward_hook(self.count)

    def count(self, block, arguments, output):
        if not output.requires_grad:
            self.plain += 1
            return
        self.forward += 1
        output.register_hook(self.count_backward)

    def count_backward(self, gradient):
        self.backward += 1


@pytest.mark.parametrize(("setting", "each"), [("off", 10), ("on", 4)])
def test_every_block_is_called_once(setting, each, monkeypatch):
    """4 blocks: with all sites, one call for each earlier layer, 4 · 5 / 2; as a wave, 4."""
    monkeypatch.setenv(wave.VARIABLE, setting)
    model = toy_model("llama", layers=4)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([5, 5])
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method="atp")
    lines = [line_of(site, side) for site, side in effects.sites.items()]
    replayer = Replayer(model, inputs, LOGIT_DIFFERENCE, effects.clean_cache)
    assert replayer.plan.as_wave == (setting == "on")
    calls = Calls(model)
    replayer.mean_gradients(lines, [0.2, 0.7], [[0.5, 0.5]])
    assert (calls.plain, calls.forward, calls.backward) == (0, each, each)
    replayer.values_at_patch(lines)
    assert (calls.plain, calls.forward, calls.backward) == (each, each, each)


def test_one_wave_per_level_with_the_sites_that_wait(monkeypatch):
    """A level's wave begins where its first site enters."""
    model = toy_model("llama", layers=4, seed=3)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([6, 6])
    monkeypatch.setenv(wave.VARIABLE, "on")
    node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE)  # the self-check runs here
    calls = Calls(model)
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE)
    expected = 0
    for level in nested():
        waiting = [site.layer for site, side in effects.sites.items() if side.points >= level.points]
        expected += model.n_layers - 1 - min(waiting, default=model.n_layers - 1)
    assert len({side.points for side in effects.sites.values()}) > 1
    assert (calls.forward, calls.backward) == (expected, expected)
    # Clean and patch run once each; the total effects of attention and MLP sites are one wave from block 1 on.
    assert calls.plain == 2 * model.n_layers + model.n_layers - 1


@pytest.mark.parametrize("setting", ["off", "on"])
def test_more_points_are_only_for_the_examples_that_are_off(setting, monkeypatch):
    monkeypatch.setenv(wave.VARIABLE, setting)
    model = toy_model("llama", layers=2, seed=3)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([6, 6, 6, 6])
    asked, usual = [], Replayer.mean_gradients

    def look(self, lines, alphas, weights):
        asked.extend((line.site, len(alphas), len(line.rows)) for line in lines)
        return usual(self, lines, alphas, weights)

    monkeypatch.setattr(Replayer, "mean_gradients", look)
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE)
    new = [len(level.alphas) for level in nested()]
    for site, side in effects.sites.items():
        rows = [count for asked_site, _, count in asked if asked_site == site]
        points = [points for asked_site, points, _ in asked if asked_site == site]
        assert (sum(points), points) == (side.points, new[: len(points)])
        assert rows[0] == 4
        assert rows == sorted(rows, reverse=True)
    assert any(0 < count < 4 for _, _, count in asked)


class Waits(TorchDispatchMode):
    """The operations in which a CPU has to wait for a GPU."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._overloadpacket.__name__
        by_mask = name == "index" and any(part is not None and part.dtype == torch.bool for part in args[1])
        if by_mask or name in ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim"):
            self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_waits_for_the_device_on_the_way(family, monkeypatch):
    monkeypatch.setenv(wave.VARIABLE, "on")
    model = toy_model(family)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([5, 7])
    effects = node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE, method="atp")
    lines = [line_of(site, side) for site, side in effects.sites.items()]
    replayer = Replayer(model, inputs, LOGIT_DIFFERENCE, effects.clean_cache)
    assert replayer.plan.as_wave
    with Waits() as waits:
        replayer.mean_gradients(lines, [0.2, 0.7], [[0.5, 0.5]])
        replayer.values_at_patch(lines)
    assert waits.seen == []
    with Waits() as waits:
        assert int(torch.ones(3)[torch.tensor([True, False, True])].sum()) == 2
    assert len(waits.seen) == 2


# -- models whose blocks need more --------------------------------------------------------------------------


def model_with_memory():
    """A llama whose second block adds something that the model leaves for it before it runs."""
    hf = toy_hf("llama", layers=3)
    left = {}
    hf.model.register_forward_pre_hook(
        lambda module, arguments, keywords: left.update(ids=keywords["input_ids"]), with_kwargs=True
    )
    hf.model.layers[1].mlp.register_forward_hook(
        lambda module, arguments, output: output + 0.1 * left["ids"][:, :1, None] if len(left["ids"]) == 3
        else output
    )  # fmt: skip
    return load_model(hf, dtype="float64", device="cpu")


def test_a_block_that_depends_on_more_is_found_and_named(monkeypatch):
    model = model_with_memory()
    with pytest.raises(UnsupportedModel, match=r"\(Llama\) cannot be called one by one.*resid_1"):
        check_block_calls(model)
    monkeypatch.setenv(wave.VARIABLE, "on")
    with pytest.raises(UnsupportedModel, match="leave out CIRCUITSCOPE_WAVE=on"):
        wave.goes_as_wave(model)


def test_its_layers_are_replayed_one_by_one(monkeypatch, caplog):
    model = model_with_memory()
    monkeypatch.delenv(wave.VARIABLE, raising=False)
    monkeypatch.setattr(wave, "_is_cheaper", lambda model: True)
    dictionaries, inputs = toy_dictionaries(model, "relu"), toy_inputs([5, 5])
    with caplog.at_level("WARNING", logger="circuitscope"):
        asked = [node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE) for _ in range(2)]
    said = [record.getMessage() for record in caplog.records if "one by one" in record.getMessage()]
    assert len(said) == 1
    assert "resid_1" in said[0]
    monkeypatch.setenv(wave.VARIABLE, "off")
    assert_same(node_effects(model, dictionaries, inputs, LOGIT_DIFFERENCE).sites, asked[0].sites)


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("family", EVERY_FAMILY)
def test_the_blocks_of_every_family_can_be_called_one_by_one(family, dtype):
    model = load_model(toy_hf(family, layers=3), dtype=dtype, device="cpu")
    assert check_block_calls(model) is None


@pytest.mark.parametrize(
    ("setting", "cheaper", "expected"),
    [
        ("on", False, True),
        ("off", True, False),
        ("auto", True, True),
        ("auto", False, False),
        ("", True, True),
    ],
)
def test_the_setting(setting, cheaper, expected, monkeypatch):
    monkeypatch.setattr(wave, "_is_cheaper", lambda model: cheaper)
    monkeypatch.setenv(wave.VARIABLE, setting)
    assert wave.goes_as_wave(toy_model("llama")) is expected


def test_another_setting_is_refused(monkeypatch):
    monkeypatch.setenv(wave.VARIABLE, "yes")
    with pytest.raises(BadInput, match="auto or on or off"):
        wave.goes_as_wave(toy_model("llama"))
