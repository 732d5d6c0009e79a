"""What people said about features, kept across runs."""

from circuitscope.workspace.verdict_store import Conflict, Verdict, VerdictStore, now, verdict_of

__all__ = ["Conflict", "Verdict", "VerdictStore", "now", "verdict_of"]
