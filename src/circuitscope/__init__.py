"""circuitscope: which interpretable features of a language model cause a behaviour, and how.

    import circuitscope as cs

    model = cs.load_model("EleutherAI/pythia-70m-deduped")
    dictionaries = cs.load_dictionaries("path/to/dictionaries", model)
    circuit = cs.discover(model, dictionaries, "agreement/across_rc", nodes=100)

The names below are the public ones; they are imported when first used, so that opening a saved circuit needs
neither torch nor a model.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Circuit": "circuitscope.results",
    "CircuitscopeError": "circuitscope.errors",
    "Classifier": "circuitscope.editing",
    "Dictionaries": "circuitscope.dictionaries",
    "Example": "circuitscope.tasks",
    "LabelledText": "circuitscope.tasks.labelled",
    "NodeId": "circuitscope.terms",
    "Site": "circuitscope.terms",
    "ablate": "circuitscope.interventions",
    "classifier_circuit": "circuitscope.editing",
    "compare": "circuitscope.results",
    "discover": "circuitscope.discovery",
    "edge_effects": "circuitscope.effects",
    "edits_of": "circuitscope.interventions",
    "evaluate": "circuitscope.evaluation",
    "features_to_judge": "circuitscope.pipeline.shift",
    "export": "circuitscope.pages.exports",
    "group": "circuitscope.grouping",
    "load": "circuitscope.results",
    "load_dictionaries": "circuitscope.dictionaries",
    "load_labelled_sets": "circuitscope.tasks.labelled",
    "load_model": "circuitscope.model",
    "load_task": "circuitscope.tasks",
    "node_effects": "circuitscope.effects",
    "plot": "circuitscope.pages.pictures:plot_circuit",
    "open_collection": "circuitscope.runs",
    "prune": "circuitscope.pruning",
    "read_sheet": "circuitscope.editing.judging",
    "register_family": "circuitscope.model",
    "removed": "circuitscope.editing.judging",
    "report": "circuitscope.pipeline",
    "save": "circuitscope.results",
    "score": "circuitscope.editing",
    "status": "circuitscope.runs",
    "sweep": "circuitscope.evaluation",
    "train_classifier": "circuitscope.editing",
    "train_dictionaries": "circuitscope.dictionaries.training",
    "write_dictionaries": "circuitscope.dictionaries",
    "write_features": "circuitscope.editing.judging",
}

__all__ = [*_PUBLIC, "__version__"]

if TYPE_CHECKING:
    from circuitscope.dictionaries import Dictionaries as Dictionaries
    from circuitscope.dictionaries import load_dictionaries as load_dictionaries
    from circuitscope.dictionaries import write_dictionaries as write_dictionaries
    from circuitscope.dictionaries.training import train_dictionaries as train_dictionaries
    from circuitscope.discovery import discover as discover
    from circuitscope.editing import classifier_circuit as classifier_circuit
    from circuitscope.editing import score as score
    from circuitscope.editing import train_classifier as train_classifier
    from circuitscope.editing.judging import read_sheet as read_sheet
    from circuitscope.editing.judging import removed as removed
    from circuitscope.editing.judging import write_features as write_features
    from circuitscope.effects import edge_effects as edge_effects
    from circuitscope.effects import node_effects as node_effects
    from circuitscope.errors import CircuitscopeError as CircuitscopeError
    from circuitscope.evaluation import evaluate as evaluate
    from circuitscope.evaluation import sweep as sweep
    from circuitscope.grouping import group as group
    from circuitscope.interventions import ablate as ablate
    from circuitscope.interventions import edits_of as edits_of
    from circuitscope.model import load_model as load_model
    from circuitscope.model import register_family as register_family
    from circuitscope.pages.exports import export as export
    from circuitscope.pages.pictures import plot_circuit as plot  # noqa: F401
    from circuitscope.pipeline import report as report
    from circuitscope.pipeline.shift import features_to_judge as features_to_judge
    from circuitscope.pruning import prune as prune
    from circuitscope.results import Circuit as Circuit
    from circuitscope.results import compare as compare
    from circuitscope.results import load as load
    from circuitscope.results import save as save
    from circuitscope.runs import open_collection as open_collection
    from circuitscope.runs import status as status
    from circuitscope.tasks import Example as Example
    from circuitscope.tasks import load_task as load_task
    from circuitscope.tasks.labelled import Classifier as Classifier
    from circuitscope.tasks.labelled import LabelledText as LabelledText
    from circuitscope.tasks.labelled import load_labelled_sets as load_labelled_sets
    from circuitscope.terms import NodeId as NodeId
    from circuitscope.terms import Site as Site


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"circuitscope has no {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    return getattr(import_module(module), attribute or name)


def __dir__() -> list[str]:
    return sorted(__all__)
