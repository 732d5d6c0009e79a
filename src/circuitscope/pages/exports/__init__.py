"""Circuits in the formats of other programs."""

from circuitscope.pages.exports.write_export import export

__all__ = ["export"]
