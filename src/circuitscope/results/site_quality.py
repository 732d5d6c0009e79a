"""How good a dictionary is, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SiteQuality:
    """How good the dictionary of one site is."""

    site: str
    l0: float
    """Mean number of active features per token."""
    variance_unexplained: float
    """Share of the variance that the dictionary does not reconstruct: 0 is perfect, the mean alone has 1."""
    loss_recovered: float | None
    """1 where reconstructing the site costs nothing, 0 where it is as bad as zero; None where undefined."""
    loss_clean: float
    """Next-token loss of the untouched model, in nats."""
    loss_dictionary: float
    """The same with the site's tensor replaced by its reconstruction."""
    loss_zero: float
    """The same with the site's tensor replaced by 0."""
    dead_features: int
    """Features that are active on no token of the text."""
    n_features: int

    def __repr__(self) -> str:
        recovered = "n/a" if self.loss_recovered is None else f"{self.loss_recovered:.3f}"
        return (
            f"SiteQuality: {self.site}, L0 {self.l0:.1f}, variance unexplained {self.variance_unexplained:.4f}, "
            f"loss recovered {recovered}, {self.dead_features} of {self.n_features} features dead"
        )


__all__ = ["SiteQuality"]
