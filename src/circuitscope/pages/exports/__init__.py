"""Circuits in the formats of other programs."""

from circuitscope.pages.exports.export import export_run

__all__ = ["export_run"]
