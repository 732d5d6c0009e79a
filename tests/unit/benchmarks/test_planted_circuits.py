"""Planted models compute what their program says, and their truth is what intervening shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from benchmarks.recovery.planted import (
    PARTS,
    Setting,
    discover_all,
    edge_gap,
    edge_strengths,
    node_strengths,
    planted_setting,
)
from benchmarks.recovery.planted_dictionaries import THRESHOLD
from benchmarks.recovery.program import (
    CLASSES,
    CUE,
    END,
    LEFT_OUT,
    VARIABLES,
    Held,
    Place,
    Program,
    Text,
    planted_program,
    planted_texts,
    truth,
)
from benchmarks.recovery.scores import recovery
from circuitscope.tasks import make_inputs
from circuitscope.terms import NodeId, Site

Run = tuple[float, dict[Site, np.ndarray]]
SHAPES = ((3, True), (2, False))
TEXTS, SEED, LEAK = 2, 0, 0.01


@pytest.fixture(scope="module", params=SHAPES, ids=["parallel", "sequential"])
def planted(request) -> tuple[Program, list[Text], Setting]:
    layers, parallel = request.param
    program = planted_program(layers, parallel=parallel).with_leak(LEAK, SEED)
    setting = planted_setting(layers, parallel, "true", SEED, texts=TEXTS, leak=LEAK)
    return program, planted_texts(TEXTS, SEED), setting


def margins(setting: Setting, side: str) -> np.ndarray:
    """logit(yes) − logit(no) of the model."""
    encoded, _ = setting.task.encode("train", setting.model.tokenizer, bos=True)
    inputs = make_inputs(encoded, has_bos=True)
    with torch.no_grad():
        logits = setting.model.logits(getattr(inputs, side), inputs.clean.last[:, None])[:, 0]
    ids = setting.model.tokenizer.get_vocab()
    return (logits[:, ids["yes"]] - logits[:, ids["no"]]).numpy()


@pytest.mark.parametrize("side", ["clean", "patch"])
def test_the_model_answers_as_the_program_does(planted, side):
    program, texts, setting = planted
    expected = [program.run(getattr(text, side))[0] for text in texts]
    assert margins(setting, side) == pytest.approx(expected, abs=2e-3)
    assert (np.array(expected) > 4).all() if side == "clean" else (np.array(expected) < -2).all()


def expected_effect(program: Program, runs: list[tuple[Text, Run, Run]], place: Place) -> float:
    """The mean change of no − yes when a feature, which is 0 below its threshold, goes from clean to patch."""
    index, total = VARIABLES.index(place.variable), 0.0
    for text, (before, clean), (_, patch) in runs:
        at_clean, at_patch = (seen[place.site][place.position, index] for seen in (clean, patch))
        change = at_patch * (at_patch > THRESHOLD) - at_clean * (at_clean > THRESHOLD)
        after, _ = program.run(
            text.clean, Held(place.site, place.position, place.variable, at_clean + change)
        )
        total += before - after
    return total / len(runs)


def test_every_exact_effect_is_what_the_program_says(planted):
    program, texts, setting = planted
    circuit = discover_all(setting, "exact", ["clean"])["clean"]
    runs = [(text, program.run(text.clean), program.run(text.patch)) for text in texts]
    features = [
        (node, effect)
        for node, effect in zip(circuit.ids, circuit.nodes.effect, strict=True)
        if not node.is_error
    ]
    assert len(features) > 50
    for node, effect in features:
        (variable,) = setting.planted.carried(node.feature)
        place = Place(node.site, node.position, variable)
        assert effect == pytest.approx(expected_effect(program, runs, place), abs=2e-3), place


def right_places(setting: Setting) -> Iterator[tuple[NodeId, Place]]:
    for node, places in setting.right_nodes.items():
        for place in places:
            yield node, place


@pytest.mark.parametrize(("layers", "parallel"), SHAPES)
def test_without_leak_only_the_truth_has_effects(layers, parallel):
    setting = planted_setting(layers, parallel, "true", SEED, texts=TEXTS, leak=0.0)
    strength = node_strengths(setting, discover_all(setting, "exact", ["clean"])["clean"])
    wrong = [effect for node, effect in strength.items() if node not in setting.right_nodes]
    assert len(wrong) > 30
    assert max(wrong) < 2e-3
    for node, place in right_places(setting):
        if place.variable in PARTS["or"]:
            assert strength[node] < 0.02, place  # the other one is enough
        else:
            assert strength[node] > 0.2, place


def test_the_truth_has_every_part_and_no_distractor():
    program, texts = planted_program(3, parallel=True), planted_texts(TEXTS, SEED)
    found = truth(program, texts)
    variables = {place.variable for place in found.nodes}
    assert variables == {name for part in PARTS.values() for name in part}
    assert Place(Site("resid", 0), CUE, "S") in found.nodes
    assert Place(Site("resid", 1), CUE, "S") not in found.nodes  # copied by then, and not read again
    assert (Place(Site("mlp", 2), END, "yes"), Place(Site("resid", 2), END, "yes")) in found.edges
    assert (Place(Site("resid", 2), END, "yes"), None) in found.edges
    assert not {place.position for place in found.nodes if place.variable == "B"} - {END}


def test_what_is_left_out_is_an_error_of_the_truth(planted):
    _, _, setting = planted
    errors = [place for node, place in right_places(setting) if node.is_error]
    assert errors
    assert {place.variable for place in errors} == set(LEFT_OUT)


def test_in_sequential_blocks_the_last_mlp_reads_the_heads_of_its_own_layer():
    found = truth(planted_program(2, parallel=False), planted_texts(TEXTS, SEED))
    assert (Place(Site("attn", 1), END, "S*"), Place(Site("mlp", 1), END, "yes")) in found.edges


def test_a_right_edge_is_found_and_one_between_two_parts_is_not_right():
    setting = planted_setting(3, True, "true", SEED, texts=TEXTS)
    edges = edge_strengths(setting, discover_all(setting, "ig", ["both"])["both"])

    def node(site: str, variable: str, position: int) -> NodeId:
        feature = next(i for i in range(len(setting.planted.mix)) if setting.planted.carried(i) == {variable})
        return NodeId(Site.parse(site), feature, position)

    right = (node("resid_0", "S", CUE), node("attn_1", "S*", END))
    assert right in setting.right_edges
    assert edges[right] > 0.2
    crossed = (node("resid_0", "S", CUE), node("attn_1", "A*", END))
    assert crossed not in setting.right_edges
    assert edges.get(crossed, 0.0) < 0.1 * edges[right]


# -- dictionaries ----------------------------------------------------------------------------------------


def active(setting: Setting, site: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A site's tensor at every token but BOS, and its features there."""
    encoded, _ = setting.task.encode("train", setting.model.tokenizer, bos=True)
    inputs = make_inputs(encoded, has_bos=True)
    tap = {Site.parse(site): setting.model.tap(Site.parse(site))}
    cache = setting.model.capture(inputs.clean, tap, inputs.clean.last[:, None])
    x = cache.x[Site.parse(site)][:, 1:].flatten(0, 1)
    return x, setting.planted.dictionaries[Site.parse(site)].encode(x)


def test_halves_of_a_split_feature_are_active_in_one_class_each_and_add_up():
    whole = planted_setting(3, True, "true", SEED, texts=TEXTS, leak=0.0)
    split = planted_setting(3, True, "split", SEED, texts=TEXTS, leak=0.0)
    for site in ("embed", "attn_1", "mlp_2", "resid_2"):
        _, f = active(whole, site)
        _, halves = active(split, site)
        for feature in range(f.shape[1]):
            (variable,) = whole.planted.carried(feature)
            if variable in CLASSES:
                continue
            of_it = [i for i in range(halves.shape[1]) if split.planted.carried(i) == {variable}]
            assert len(of_it) == 2
            assert (halves[:, of_it] > 0).sum(dim=1).max() <= 1
            assert torch.allclose(halves[:, of_it].sum(dim=1), f[:, feature], atol=1e-6)


def test_noisy_and_rotated_dictionaries_leave_more_to_the_error():
    missed = {}
    for kind in ("true", "rotated", "noisy"):
        setting = planted_setting(3, True, kind, SEED, texts=TEXTS, leak=0.0)
        x, f = active(setting, "resid_2")
        dictionary = setting.planted.dictionaries[Site.parse("resid_2")]
        missed[kind] = float((x - dictionary.decode(dictionary.encode_active(x), x)).norm(dim=1).mean())
        norms = dictionary.write_vectors(torch.arange(f.shape[1])).norm(dim=1)
        assert norms == pytest.approx(torch.ones(len(norms), dtype=norms.dtype), abs=1e-6)
    assert missed["noisy"] > missed["true"] + 0.1
    assert missed["rotated"] > missed["true"] + 0.1


@pytest.mark.parametrize(
    ("kind", "least"), [("true", 0.95), ("split", 0.95), ("noisy", 0.95), ("rotated", 0.8)]
)
def test_secants_recover_planted_edges_and_add_up(kind, least):
    """Edges into and out of errors included; the benchmark has the means over all models."""
    setting = planted_setting(3, True, kind, SEED, texts=TEXTS)
    circuit = discover_all(setting, "ig", ["secant"])["secant"]
    assert recovery(edge_strengths(setting, circuit), setting.right_edges).average_precision > least
    assert edge_gap(circuit)["worst"] < 0.03


def test_ig_recovers_a_planted_circuit():
    setting = planted_setting(3, True, "true", SEED, texts=TEXTS)
    found = recovery(
        node_strengths(setting, discover_all(setting, "ig", ["clean"])["clean"]), setting.right_nodes
    )
    assert found.average_precision > 0.95
