"""Score: a number with its interval, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, field

from circuitscope.results.plain import OPTIONAL


@dataclass(frozen=True)
class Score:
    """Faithfulness, completeness, or the difference of two of them."""

    value: float | None
    """None where it is undefined; ``low`` and ``high`` are None then, too."""
    low: float | None
    high: float | None
    """Ends of the bootstrap interval over examples."""
    why: str = ""
    """Why it is undefined."""
    deviation: float | None = field(default=None, metadata=OPTIONAL)
    """Mean over examples of |m(C) − m(M)|, in units of |mean m(M) − mean m(∅)|; only pruning measures it."""

    def __repr__(self) -> str:
        return f"Score: {self}"

    def __str__(self) -> str:
        """``0.97 (0.93 … 1.01)``, or why it is undefined."""
        if self.value is None:
            return self.why or "undefined"
        interval = "" if self.low is None or self.high is None else f" ({self.low:.2f} … {self.high:.2f})"
        return f"{self.value:.2f}{interval}"


@dataclass(frozen=True)
class Spread:
    """A mean with the ends of what was found."""

    mean: float
    low: float
    high: float

    def __repr__(self) -> str:
        return f"Spread: {self.mean:.3g} ({self.low:.3g} … {self.high:.3g})"


def coverage_text(coverage: float | None, examples: int | None = None) -> str:
    """What intervals are, for captions: ``intervals cover 95%``.

    Args:
        examples: how many they are from, where that is one number.
    """
    if coverage is not None:
        return f"intervals cover {coverage:.0%}"
    if examples == 1:
        return "one example gives no interval"
    return f"intervals from {'so few' if examples is None else examples} examples are too narrow to be called 95%"


def free_layers_text(count: int) -> str:
    """``1 free layer``."""
    return f"{count or 'no'} free layer{'' if count == 1 else 's'}"


__all__ = ["Score", "Spread", "coverage_text", "free_layers_text"]
