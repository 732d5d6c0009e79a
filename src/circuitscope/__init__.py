"""circuitscope: which interpretable features of a language model cause a behaviour, and how.

    import circuitscope as cs

    model = cs.load_model("EleutherAI/pythia-70m-deduped")
    dictionaries = cs.load_dictionaries("path/to/dictionaries", model)
    circuit = cs.discover(model, dictionaries, "agreement/across_rc", nodes=100)

The names below are the public ones; those that edit a classifier are under ``circuitscope.shift``, those that look
for behaviours in plain text under ``circuitscope.behaviours``. They are imported when first used, so that opening a
saved circuit needs neither torch nor a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuitscope.lazy import public

__version__ = "0.1.0"

_PUBLIC = {
    "Circuit": "results",
    "CircuitscopeError": "errors",
    "Dictionaries": "dictionaries",
    "Example": "tasks",
    "LanguageModel": "model",
    "Metric": "tasks",
    "NodeId": "terms",
    "Recipe": "results",
    "Site": "terms",
    "Task": "tasks",
    "ablate": "interventions",
    "check": "tasks",
    "compare": "results",
    "discover": "discovery",
    "edge_effects": "effects",
    "evaluate": "evaluation",
    "export": "pages.exports",
    "group": "grouping",
    "load": "results",
    "load_dictionaries": "dictionaries",
    "load_model": "model",
    "load_task": "tasks",
    "node_effects": "effects",
    "open_collection": "runs",
    "paths": "results",
    "plot": "pages.pictures:plot_circuit",
    "promoted_tokens": "dashboards",
    "prompt_task": "tasks",
    "prune": "pruning",
    "register_family": "model",
    "report": "pipeline",
    "save": "results",
    "scale": "interventions",
    "status": "runs",
    "steer": "interventions",
    "sweep": "evaluation",
    "top_contexts": "dashboards",
    "train_dictionaries": "dictionaries.training",
    "write_dictionaries": "dictionaries",
}

__all__ = [*_PUBLIC, "__version__", "behaviours", "shift"]

if TYPE_CHECKING:
    from circuitscope import behaviours as behaviours
    from circuitscope import shift as shift
    from circuitscope.dashboards import promoted_tokens as promoted_tokens
    from circuitscope.dashboards import top_contexts as top_contexts
    from circuitscope.dictionaries import Dictionaries as Dictionaries
    from circuitscope.dictionaries import load_dictionaries as load_dictionaries
    from circuitscope.dictionaries import write_dictionaries as write_dictionaries
    from circuitscope.dictionaries.training import train_dictionaries as train_dictionaries
    from circuitscope.discovery import discover as discover
    from circuitscope.effects import edge_effects as edge_effects
    from circuitscope.effects import node_effects as node_effects
    from circuitscope.errors import CircuitscopeError as CircuitscopeError
    from circuitscope.evaluation import evaluate as evaluate
    from circuitscope.evaluation import sweep as sweep
    from circuitscope.grouping import group as group
    from circuitscope.interventions import ablate as ablate
    from circuitscope.interventions import scale as scale
    from circuitscope.interventions import steer as steer
    from circuitscope.model import LanguageModel as LanguageModel
    from circuitscope.model import load_model as load_model
    from circuitscope.model import register_family as register_family
    from circuitscope.pages.exports import export as export
    from circuitscope.pages.pictures import plot_circuit as plot  # noqa: F401
    from circuitscope.pipeline import report as report
    from circuitscope.pruning import prune as prune
    from circuitscope.results import Circuit as Circuit
    from circuitscope.results import Recipe as Recipe
    from circuitscope.results import compare as compare
    from circuitscope.results import load as load
    from circuitscope.results import paths as paths
    from circuitscope.results import save as save
    from circuitscope.runs import open_collection as open_collection
    from circuitscope.runs import status as status
    from circuitscope.tasks import Example as Example
    from circuitscope.tasks import Metric as Metric
    from circuitscope.tasks import Task as Task
    from circuitscope.tasks import check as check
    from circuitscope.tasks import load_task as load_task
    from circuitscope.tasks import prompt_task as prompt_task
    from circuitscope.terms import NodeId as NodeId
    from circuitscope.terms import Site as Site

_find = public(__name__, _PUBLIC)


def __getattr__(name: str) -> object:
    if name in ("behaviours", "shift"):  # modules of their own; importing one puts it here
        from importlib import import_module

        return import_module(f"circuitscope.{name}")
    return _find(name)


def __dir__() -> list[str]:
    return sorted(__all__)
