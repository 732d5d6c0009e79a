"""TrainConfig: everything that training is told; each field's sentence is the help of its option."""

from __future__ import annotations

from dataclasses import dataclass

from circuitscope.config.base import Config, option
from circuitscope.errors import BadInput, argument
from circuitscope.terms import Site

KINDS = ("topk", "batchtopk", "relu")
BOS = ("auto", "yes", "no")
ALL_SITES = "all"

FEATURES_PER_DIMENSION = 8
DEAD_SHARE = 20
REFERENCE_RATE, REFERENCE_FEATURES, HIGHEST_RATE = 2e-4, 2**14, 1e-2


@dataclass(frozen=True)
class TrainConfig(Config):
    """How to train the dictionaries of a model."""

    kind: str = option("topk", "What keeps a dictionary sparse.", choices=KINDS)
    features: int = option(0, "Features of each dictionary; 0 takes 8 times the width of its site.")
    k: int = option(
        32,
        "Active features per token: exactly for topk, on average for batchtopk, "
        "as a target for relu unless --l1 is given.",
    )
    tokens: int = option(
        2_000_000, "Tokens to train on; a shorter text is read several times, in a different order each time."
    )
    sites: str = option(ALL_SITES, "The sites to train, such as embed,attn_0,mlp_0,resid_0, or all.")
    context: int = option(128, "Tokens per context, BOS included; a context never spans two documents.")
    batch: int = option(1024, "Tokens per training step.")
    buffer: int = option(256, "Contexts whose activations are shuffled together before they are used.")
    learning_rate: float = option(0.0, "Peak learning rate of Adam; 0 takes 2e-4 times 16384 / features.")
    l1: float = option(0.0, "Weight of the L1 penalty of relu; 0 adapts it at each site until L0 is about k.")
    auxk: float = option(
        1 / 32, "Weight of the loss that revives dead features of topk and batchtopk; 0 leaves them dead."
    )
    dead_after: int = option(
        0, "Tokens without an activation after which a feature is dead; 0 takes tokens / 20."
    )
    held_out: float = option(
        0.05, "Share of the contexts, from the end, that is kept for measuring and never trained on."
    )
    bos: str = option(
        "auto", "Whether contexts begin with a BOS; auto is the tokenizer's default.", choices=BOS
    )
    seed: int = option(0, "Seed for the initial weights and the order of the data.")
    save_every: int = option(500, "Steps between checkpoints, from which a killed run continues.")

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_numbers()
        if 0 < self.features < self.k:
            raise BadInput(
                f"{argument('k', self.k)} with {argument('features', self.features)}",
                expected="a k of at most the number of features",
                mend=f"lower {argument('k')} or raise {argument('features')}",
            )
        if self.sites != ALL_SITES:
            self.chosen_sites([])

    def _check_numbers(self) -> None:
        lowest = {
            "features": 0, "k": 1, "tokens": 1, "context": 2, "batch": 1, "buffer": 1, "learning_rate": 0,
            "l1": 0, "auxk": 0, "dead_after": 0, "seed": 0, "save_every": 1,
        }  # fmt: skip
        for name, least in lowest.items():
            # Written so that NaN, which is neither above nor below, is refused too.
            if not least <= getattr(self, name) < float("inf"):
                raise BadInput(
                    argument(name, getattr(self, name)),
                    expected=f"a number of at least {least}",
                    mend=f"change {argument(name)}",
                )
        if not 0 < self.held_out < 1:
            raise BadInput(
                argument("held_out", self.held_out),
                expected="a share between 0 and 1, both excluded",
                mend=f"change {argument('held_out')}; 0.05 is usual",
            )

    def chosen_sites(self, every: list[Site]) -> list[Site]:
        """The sites to train, in the order of computation; ``every`` is what ``all`` means."""
        if self.sites == ALL_SITES:
            return every
        return sorted({Site.parse(name.strip()) for name in self.sites.split(",")})

    def features_of(self, width: int) -> int:
        """How many features the dictionary of a site of this width has."""
        return self.features or FEATURES_PER_DIMENSION * width

    @property
    def steps(self) -> int:
        """Training steps: as many whole batches as ``tokens`` makes, and at least one."""
        return max(1, self.tokens // self.batch)

    @property
    def dead_tokens(self) -> int:
        """Tokens after which a silent feature counts as dead."""
        return self.dead_after or max(self.batch, self.tokens // DEAD_SHARE)

    def rate_of(self, n_features: int) -> float:
        """Peak learning rate: the usual 2e-4 at 16384 features, and more for fewer.

        Measured with 512 features of width 64 and 1000 steps: variance unexplained keeps falling up to about
        1e-2, where features begin to die. The rule gives 6.4e-3 there, and at most 1e-2.
        """
        return self.learning_rate or min(HIGHEST_RATE, REFERENCE_RATE * REFERENCE_FEATURES / n_features)
