"""classifier_circuit: which features a classifier uses, as a circuit (Marks et al. 2024, section 4).

The examples are single inputs with the zero baseline, positions are summed, and the metric is −(logit of the true
class): an effect above 0 means that the feature promotes the true class. BOS is never a node. The circuit lives on
the dictionaries' sites up to the classifier's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from circuitscope.config import DiscoverySettings
from circuitscope.dictionaries import Dictionaries
from circuitscope.discovery import Work, discover_circuit
from circuitscope.errors import BadInput
from circuitscope.results import Circuit
from circuitscope.sources import Loaded
from circuitscope.tasks.labelled import Classifier, LabelledTask, LabelledText, labelled_task


def classifier_circuit(
    classifier: Classifier,
    dictionaries: Dictionaries,
    texts: Sequence[LabelledText] | LabelledTask,
    *,
    examples: int = 100,
    work: Work | None = None,
    **settings: Any,
) -> Circuit:
    """The circuit of a classifier.

    Args:
        dictionaries: of the whole model; those of sites after the classifier's are left out.
        texts: what to average over; a task also has a name and a held-out split for evaluation.
        examples: how many texts, starting with the first.
        work: where finished batches are kept, and who is told.
        settings: other fields of ``circuitscope.config.EffectsConfig``: ``node_threshold`` or ``nodes``,
            ``edge_threshold``, ``method``, ``rule``, ``points``, ``batch_size``, ``memory``; and ``baseline``.

    Raises:
        BadInput: no dictionary's site is within the classifier.
        NothingFound: no node is strong enough.
    """
    task = (
        texts if isinstance(texts, LabelledTask) else labelled_task("classifier", texts, (), classifier.model)
    )
    asked = DiscoverySettings(
        **{
            "baseline": "zero",
            **settings,
            "examples": examples,
            "metric": classifier.metric.name,
            "positions": "sum",
            "bos": "yes" if classifier.bos else "no",
        }
    )
    loaded = Loaded(classifier.as_model(), up_to(classifier, dictionaries), task)
    circuit = discover_circuit(loaded, asked, work)
    # for each dictionary by itself, so that verdicts on it hold whatever other sites a circuit has
    hashes = {site.name: dictionaries.site_hash(site) for site in circuit.sites}
    recipe = circuit.made_by
    return replace(circuit, recipe=replace(recipe, dictionaries=replace(recipe.dictionaries, by_site=hashes)))


def up_to(classifier: Classifier, dictionaries: Dictionaries) -> Dictionaries:
    """The dictionaries of the sites that the classifier's site can depend on: all up to it in the computation."""
    sites = [site for site in dictionaries if site <= classifier.site]
    if not sites:
        raise BadInput(
            f"the dictionaries are for {', '.join(map(str, dictionaries))}; the classifier ends at {classifier.site}",
            expected=f"a dictionary at a site up to {classifier.site}",
            mend="train the classifier at a later site, or load other dictionaries",
        )
    return dictionaries.only(sites)
