"""The command line: one verb per file. Nothing here loads torch until a verb that needs it runs."""

from circuitscope.cli.app import main

__all__ = ["main"]
