"""One site's trainer, on data whose dictionary is known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from circuitscope.dictionaries.affine import JumpReluDictionary
from circuitscope.dictionaries.training import TrainConfig
from circuitscope.dictionaries.training.site_trainer import SiteTrainer

WIDTH, PLANTED, ACTIVE, FEATURES = 32, 40, 3, 64


def planted(n_tokens: int, seed: int) -> tuple[Tensor, Tensor]:
    """Tokens that are sums of 3 of 40 fixed directions, shifted, in units far from 1; and the directions."""
    directions = normalize(torch.randn(PLANTED, WIDTH, generator=torch.Generator().manual_seed(0)), dim=1)
    generator = torch.Generator().manual_seed(seed)
    active = torch.rand(n_tokens, PLANTED, generator=generator).topk(ACTIVE, dim=1).indices
    strength = 0.5 + torch.rand(n_tokens, ACTIVE, generator=generator)
    features = torch.zeros(n_tokens, PLANTED).scatter(1, active, strength)
    return 30 * (features @ directions + 0.3), directions


def train(kind: str, *, steps: int = 800, **settings: float) -> SiteTrainer:
    config = TrainConfig(
        kind=kind, features=FEATURES, k=ACTIVE, batch=256, tokens=256 * steps, learning_rate=1e-2, **settings
    )  # type: ignore[arg-type]
    data, _ = planted(20_000, 1)
    trainer = SiteTrainer(data, config, "resid_0")
    generator = torch.Generator().manual_seed(2)
    for step in range(steps):
        trainer.step(data[torch.randint(len(data), (256,), generator=generator)], step)
    return trainer


@pytest.mark.parametrize("kind", ["topk", "batchtopk", "relu"])
def test_a_planted_dictionary_is_found(kind: str) -> None:
    dictionary = train(kind).dictionary()
    data, directions = planted(2000, 3)
    found = dictionary.write_vectors(torch.arange(FEATURES))
    assert torch.allclose(found.norm(dim=1), torch.ones(FEATURES), atol=1e-5)
    closest = (directions @ found.T).amax(dim=1)
    assert closest.amin() > 0.95, closest
    active = dictionary.encode_active(data)
    unexplained = (data - dictionary.decode(active, data)).var(dim=0).sum() / data.var(dim=0).sum()
    assert unexplained < (0.2 if kind == "relu" else 0.05)  # an L1 penalty blurs what it selects
    assert 0.9 * ACTIVE < len(active) / len(data) < 1.1 * ACTIVE


def test_batchtopk_is_a_jumprelu_with_one_threshold_at_inference() -> None:
    trainer = train("batchtopk")
    dictionary = trainer.dictionary()
    assert isinstance(dictionary, JumpReluDictionary)
    assert dictionary.threshold.unique().numel() == 1
    x, _ = planted(256, 4)
    # What training keeps of this batch: the k·B largest, found here by sorting.
    scaled = x * trainer.scale
    pre = (scaled @ trainer.w_enc.T + trainer.b_enc).detach()
    smallest = pre.flatten().sort(descending=True).values[ACTIVE * len(x) - 1].clamp(min=0)
    in_training = torch.where(pre >= smallest, pre, 0.0) / trainer.scale
    at_inference = dictionary.encode(x)
    differ = ((in_training > 0) != (at_inference > 0)).sum() / (in_training > 0).sum()
    assert differ < 0.1
    both = (in_training > 0) & (at_inference > 0)
    assert torch.allclose(in_training[both], at_inference[both], rtol=1e-4)


def test_the_scale_folds_into_the_weights() -> None:
    trainer = train("topk", steps=20)
    x, _ = planted(50, 5)
    scaled = x * trainer.scale
    features = trainer._activate(scaled @ trainer.w_enc.T + trainer.b_enc, 0)
    expected = (features @ trainer.w_dec + trainer.b_dec) / trainer.scale
    dictionary = trainer.dictionary()
    torch.testing.assert_close(dictionary.encode(x), features.detach() / trainer.scale, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(dictionary.decode(dictionary.encode_active(x), x), expected.detach())


@pytest.mark.parametrize("kind", ["topk", "batchtopk", "relu"])
def test_dead_features_are_revived(kind: str) -> None:
    config = TrainConfig(
        kind=kind, features=FEATURES, k=ACTIVE, batch=256, tokens=256 * 600, dead_after=256 * 20,
        learning_rate=1e-2,
    )  # fmt: skip
    data, directions = planted(20_000, 1)
    trainer = SiteTrainer(data, config, "resid_0")
    with torch.no_grad():  # half of the features are never among the largest, or, for relu, never positive
        trainer.b_enc[: FEATURES // 2] = -50.0 if kind == "relu" else 0.0
        trainer.w_enc[: FEATURES // 2] *= 0.01
    most = 0
    generator = torch.Generator().manual_seed(2)
    for step in range(600):
        trainer.step(data[torch.randint(len(data), (256,), generator=generator)], step)
        most = max(most, int(trainer.dead.sum()))
    if kind != "relu":  # relu's are placed anew in the step that finds them
        assert most >= FEATURES // 4
    # Half of 64 features live from the start; 40 are needed.
    fired = trainer.dictionary().encode(data).amax(dim=0) > 0
    assert int(fired.sum()) >= PLANTED
    found = trainer.w_dec.detach()[fired]
    assert (directions @ found.T).amax(dim=1).amin() > 0.9


def test_a_fixed_l1_weight_stays() -> None:
    config = TrainConfig(kind="relu", l1=0.25, features=8, k=2, tokens=2560, batch=256)
    data, _ = planted(256, 1)
    trainer = SiteTrainer(data, config, "resid_0")
    for step in range(10):
        trainer.step(data, step)
    assert float(trainer.l1) == 0.25


def test_saved_state_goes_on_bit_for_bit() -> None:
    data, _ = planted(256, 1)
    config = TrainConfig(kind="batchtopk", features=FEATURES, k=ACTIVE, batch=256, tokens=256 * 10)
    whole = SiteTrainer(data, config, "resid_0")
    for step in range(10):
        if step == 4:
            saved = {name: value.clone() for name, value in whole.state().items()}
        whole.step(data, step)
    resumed = SiteTrainer(
        data * 3, config, "mlp_0"
    )  # another scale and other first weights, to be overwritten
    resumed.restore(saved)
    for step in range(4, 10):
        resumed.step(data, step)
    for name, value in whole.state().items():
        assert torch.equal(value, resumed.state()[name]), name
