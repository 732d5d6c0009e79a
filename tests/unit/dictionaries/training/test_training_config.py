"""What TrainConfig promises: helpful sentences, derived numbers, and refusals."""

from __future__ import annotations

from dataclasses import fields

import pytest

from circuitscope.dictionaries.training import TrainConfig
from circuitscope.dictionaries.training.site_trainer import schedule
from circuitscope.errors import BadInput
from circuitscope.terms import Site


def test_every_field_has_a_sentence() -> None:
    for entry in fields(TrainConfig):
        assert entry.metadata["help"].endswith("."), entry.name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "vanilla"}, "kind='vanilla'"),
        ({"bos": "perhaps"}, "bos='perhaps'"),
        ({"k": 0}, "k=0"),
        ({"k": 9, "features": 8}, "k=9 with features=8"),
        ({"tokens": 0}, "tokens=0"),
        ({"held_out": 1.0}, "held_out=1.0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"sites": "resid_0,rsid_1"}, "no such site: 'rsid_1'"),
        ({"context": 1}, "context=1"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(settings: dict[str, object], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        TrainConfig(**settings)  # type: ignore[arg-type]


def test_zero_means_a_rule() -> None:
    config = TrainConfig(tokens=100_000, batch=1000)
    assert config.features_of(64) == 512
    assert config.dead_tokens == 5000
    assert config.steps == 100
    assert config.rate_of(2**14) == pytest.approx(2e-4)
    assert config.rate_of(2**12) == pytest.approx(8e-4)
    assert config.rate_of(8) == 1e-2
    assert TrainConfig(learning_rate=0.5).rate_of(64) == 0.5


def test_sites_come_in_the_order_of_computation() -> None:
    config = TrainConfig(sites="resid_0, embed,attn_0")
    assert [str(site) for site in config.chosen_sites([])] == ["embed", "attn_0", "resid_0"]
    every = [Site("embed", -1), Site("mlp", 0)]
    assert TrainConfig().chosen_sites(every) == every


def test_the_learning_rate_rises_stays_and_falls() -> None:
    rates = [schedule(step, 100) for step in range(100)]
    assert rates[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert rates[80] == 1.0
    assert rates[90] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.05)
