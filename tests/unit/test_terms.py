"""Names of sites and nodes: they parse to what they print, and sort in the order of computation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitscope.errors import BadInput, CircuitscopeError
from circuitscope.terms import ERROR, SITE_KINDS, SUMMED, NodeId, Site

quick = settings(deadline=None, max_examples=50)

layered = st.builds(Site, st.sampled_from(SITE_KINDS[1:]), st.integers(0, 200))
sites = st.one_of(st.just(Site("embed", -1)), layered)
nodes = st.builds(NodeId, sites, st.integers(ERROR, 10**6), st.integers(SUMMED, 10**4))


@quick
@given(sites)
def test_a_site_parses_to_itself(site):
    assert Site.parse(str(site)) == site


@quick
@given(nodes)
def test_a_node_parses_to_itself(node):
    assert NodeId.parse(str(node)) == node


@quick
@given(nodes, nodes)
def test_two_nodes_have_one_name_only_if_they_are_one(first, second):
    assert (str(first) == str(second)) == (first == second)


@quick
@given(st.lists(sites), st.randoms())
def test_sites_sort_the_same_from_any_order(some, random):
    mixed = list(some)
    random.shuffle(mixed)
    assert sorted(mixed) == sorted(some)


@quick
@given(st.lists(nodes, min_size=2, max_size=2))
def test_exactly_one_of_less_equal_greater_holds(pair):
    first, second = pair
    assert (first < second) + (first == second) + (first > second) == 1


def test_sites_sort_as_the_model_computes_them():
    wanted = ["embed", "attn_0", "mlp_0", "resid_0", "attn_1", "mlp_1", "resid_1", "attn_10"]
    assert [str(site) for site in sorted(map(Site.parse, reversed(wanted)))] == wanted


def test_nodes_sort_by_site_then_position_then_feature():
    wanted = ["embed/7@9", "attn_0/error@1", "attn_0/0@1", "attn_0/5@2", "mlp_0/1"]
    assert [str(node) for node in sorted(map(NodeId.parse, reversed(wanted)))] == wanted


@pytest.mark.parametrize(
    "name", ["", "resid", "resid_", "embed_0", "resid_-1", "Resid_0", "resid_0 ", "mlp_1.5"]
)
def test_what_is_no_site_is_refused(name):
    with pytest.raises(BadInput, match="no such site"):
        Site.parse(name)


@pytest.mark.parametrize(
    "name", ["", "resid_0", "resid_0/", "resid_0/x", "resid_0/1@", "resid_0/-1", "resid_0/1@-1"]
)
def test_what_is_no_node_is_refused(name):
    with pytest.raises(BadInput, match="no such node"):
        NodeId.parse(name)


@pytest.mark.parametrize(("kind", "layer"), [("embed", 0), ("attn", -1), ("head", 0), ("mlp", -2)])
def test_a_site_that_cannot_be_is_refused(kind, layer):
    with pytest.raises(BadInput):
        Site(kind, layer)


def test_an_error_says_got_expected_and_how_to_mend_it():
    error = CircuitscopeError("got", expected="wanted", mend="do this")
    assert str(error) == "got\nexpected: wanted\nto fix it: do this"
    assert str(CircuitscopeError("got")) == "got"
