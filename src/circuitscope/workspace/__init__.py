"""What people said about features, kept across runs, and what features were found to mean."""

from circuitscope.workspace.dashboard_cache import DashboardCache, DashboardKey
from circuitscope.workspace.verdict_store import Conflict, Verdict, VerdictStore, now, verdict_of

__all__ = [
    "Conflict",
    "DashboardCache",
    "DashboardKey",
    "Verdict",
    "VerdictStore",
    "now",
    "verdict_of",
]
