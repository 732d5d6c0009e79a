"""Configs: defaults, then the YAML file, then options; what is wrong is named."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circuitscope.config import Config, DiscoverConfig, EvaluateConfig, SweepConfig, build, parse_bytes
from circuitscope.config.base import option, required
from circuitscope.errors import BadFile, BadInput, argument, speaking_shell

quick = settings(deadline=None, max_examples=50)


@dataclass(frozen=True)
class Plain(Config):
    source: str = required("Where from.")
    side: str = option("left", "Which side.", choices=("left", "right"))
    count: int = option(3, "How many.")
    limit: float | None = option(None, "At most.")
    loud: bool = option(False, "Aloud.")


NEEDED = {"model": "m", "dictionaries": "d", "task": "t", "out": "o"}


@pytest.fixture
def yaml(tmp_path):
    def write(text: str):
        path = tmp_path / "run.yaml"
        path.write_text(text)
        return path

    return write


def test_options_win_over_the_file_and_the_file_over_defaults(yaml):
    found = build(Plain, {"source": "option", "count": None}, yaml("source: file\ncount: 7\n"))
    assert found == Plain(source="option", count=7, side="left")


def test_names_in_a_file_may_have_hyphens_as_options_have(yaml):
    found = build(DiscoverConfig, NEEDED, yaml("batch-size: 4\nnode-threshold: 0.5\n"))
    assert (found.batch_size, found.node_threshold) == (4, 0.5)


def test_a_whole_number_does_for_a_float(yaml):
    limit = build(Plain, {"source": "s"}, yaml("limit: 1\n")).limit
    assert (limit, type(limit)) == (1.0, float)


def test_a_number_with_a_bare_exponent_is_a_number(yaml):
    """YAML 1.1 reads 1e-3, without a point, as text."""
    assert build(Plain, {"source": "s"}, yaml("limit: 1e-3\n")).limit == 1e-3


def test_yes_and_no_are_words_where_words_are_wanted(yaml):
    """YAML 1.1 reads a bare yes or no as true or false."""
    assert build(DiscoverConfig, NEEDED, yaml("bos: no\n")).bos == "no"


def test_an_unknown_setting_is_named_with_those_there_are(yaml):
    with pytest.raises(BadFile, match=r"unknown settings: cuont") as error:
        build(Plain, {"source": "s"}, yaml("cuont: 3\n"))
    assert "count" in error.value.expected


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("count: many", "int"),
        ("count: 1.5", "int"),
        ("count: true", "int"),
        ("limit: [1]", "float or nothing"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(yaml, line, wanted):
    with pytest.raises(BadFile, match=line.split(":")[0]) as error:
        build(Plain, {"source": "s"}, yaml(line))
    assert error.value.expected == wanted


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words", "a: [1", "\t"])
def test_a_file_without_settings_is_refused(yaml, text):
    with pytest.raises(BadFile):
        build(Plain, {"source": "s"}, yaml(text))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "run.yaml").write_bytes(b"\xff\xfe\x00count: 3")
    with pytest.raises(BadFile, match="cannot be read"):
        build(Plain, {"source": "s"}, tmp_path / "run.yaml")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(BadFile, match="cannot be read"):
        build(Plain, {"source": "s"}, tmp_path / "none.yaml")


def test_what_is_required_is_asked_for():
    with pytest.raises(BadInput, match="source is missing"):
        Plain()


def test_a_shell_is_told_about_its_options():
    with speaking_shell(), pytest.raises(BadInput, match=r"--node-threshold -1\.0"):
        DiscoverConfig(**NEEDED, node_threshold=-1.0)
    assert argument("node_threshold", 2) == "node_threshold=2"


def test_a_choice_that_is_none_is_refused():
    with pytest.raises(BadInput, match="'up'") as error:
        Plain(source="s", side="up")
    assert error.value.expected == "left or right"


@pytest.mark.parametrize("kind", [DiscoverConfig, EvaluateConfig, SweepConfig])
def test_every_field_has_a_sentence(kind):
    for item in fields(kind):
        assert item.metadata["help"].endswith("."), item.name
        assert item.metadata["help"][0].isupper(), item.name


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"nodes": 3, "node_threshold": 0.1}, "both"),
        ({"nodes": 0}, "nodes=0"),
        ({"examples": 0}, "examples=0"),
        ({"batch_size": -1}, "batch_size=-1"),
        ({"points": 0}, "points=0"),
        ({"node_threshold": -0.1}, "node_threshold"),
        ({"edge_threshold": float("nan")}, "edge_threshold"),
        ({"memory": "lots"}, "memory"),
        ({"method": "guess"}, "method"),
    ],
)
def test_discover_refuses_what_it_cannot_do(changed, match):
    with pytest.raises(BadInput, match=match):
        DiscoverConfig(**NEEDED, **changed)


@pytest.mark.parametrize("changed", [{"random": -1}, {"seed": -1}, {"sizes": 0}])
def test_sweep_refuses_negative_numbers(changed):
    with pytest.raises(BadInput):
        SweepConfig(**changed)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GiB", 2**31),
        ("500 MB", 500 * 10**6),
        ("1048576", 2**20),
        (" 1.5 gib ", 3 * 2**29),
        ("2048KiB", 2**21),
    ],
)
def test_sizes_are_read(text, size):
    assert parse_bytes(text) == size


@quick
@given(st.integers(2, 10**6), st.sampled_from(["MB", "MiB", "GB", "GiB"]))
def test_more_of_a_unit_is_more_bytes(number, unit):
    assert parse_bytes(f"{number + 1}{unit}") > parse_bytes(f"{number} {unit.lower()}") >= 10**6


@pytest.mark.parametrize("text", ["", "GiB", "2TiB", "two", "-2GiB", "1KiB", "0", "nan", "inf", "1e999GiB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(BadInput, match="memory="):
        parse_bytes(text)
