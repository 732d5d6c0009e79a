"""Colours of the pictures: blue promotes, red suppresses, and the shade says how much."""

from __future__ import annotations

PROMOTES = (0.08, 0.33, 0.64)
SUPPRESSES = (0.72, 0.11, 0.13)
NEUTRAL = (0.55, 0.55, 0.55)
INK = (0.12, 0.12, 0.12)
BLACK = (0.0, 0.0, 0.0)
WHITE = (1.0, 1.0, 1.0)

Colour = tuple[float, float, float]

# Okabe and Ito's palette, which people with any colour vision can tell apart; markers repeat the message.
CURVES: tuple[tuple[str, str], ...] = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "^"),
    ("#7A7A7A", "D"),
    ("#CC79A7", "v"),
    ("#E69F00", "P"),
    ("#56B4E9", "X"),
)


def sign_colour(effect: float) -> Colour:
    """The full colour of an effect's sign."""
    return PROMOTES if effect > 0 else SUPPRESSES if effect < 0 else NEUTRAL


def shade(effect: float, largest: float) -> Colour:
    """The colour of a node: its sign's, from nearly white to full with the square root of |effect|.

    Effects have heavy tails: on a linear scale, all but a few nodes would look white.
    """
    strength = (abs(effect) / largest) ** 0.5 if largest > 0 else 0.0
    red, green, blue = (1 + strength * (part - 1) for part in sign_colour(effect))
    return red, green, blue


def ink_on(colour: Colour) -> Colour:
    """Black or white text, whichever stands out more from ``colour`` (WCAG's contrast)."""
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    luminance = sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    # Black has contrast (luminance + 0.05) / 0.05, white has 1.05 / (luminance + 0.05).
    return BLACK if (luminance + 0.05) ** 2 > 1.05 * 0.05 else WHITE
