"""The sheet of SHIFT that comes with the package: its rows made again, its verdicts kept.

    python -m training.shift_sheet

The rows are the features of five classifiers' circuits (seeds 42 to 46), with contexts from text of the bundled
language that has no labels, and from the training texts. Verdicts and notes were written by reading these contexts; a
feature that the sheet does not know yet gets a blank verdict, to be filled in by hand.
"""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from circuitscope import load_dictionaries, load_model
from circuitscope.bundled import BUNDLED, BUNDLED_VERDICTS
from circuitscope.editing.classifier import train_classifier
from circuitscope.editing.effects import classifier_circuit
from circuitscope.editing.judging import sheet_for, write_features
from circuitscope.pipeline.report import default_text
from circuitscope.pipeline.shift.demo import BATCH, SITE, THRESHOLD
from circuitscope.pipeline.shift.judge import features_to_judge
from circuitscope.results import Circuit, JudgedFeature
from circuitscope.tasks.labelled import load_labelled_sets
from circuitscope.tasks.labelled.text_tokens import labelled_task
from circuitscope.terms import Site

SEEDS = range(42, 47)
CONTEXTS, TEXTS = 5, 2000

Key = tuple[Site, int]


def main() -> None:
    rows: dict[Key, JudgedFeature] = {}
    circuit = None
    for seed in SEEDS:
        circuit, features = judged_features(seed)
        for item in features:
            rows.setdefault((item.site, item.feature), item)
    assert circuit is not None
    known = {}
    if BUNDLED_VERDICTS.is_file():
        known = {(item.site, item.feature): item for item in sheet_for(BUNDLED_VERDICTS, circuit, every=True)}
    filled = [with_verdict(item, known.get(key)) for key, item in rows.items()]
    write_features(BUNDLED_VERDICTS, circuit, filled)
    blank = [item.name for item in filled if not item.verdict]
    Console().print(f"{len(filled)} rows; without a verdict: {', '.join(blank) or 'none'}")


def judged_features(seed: int) -> tuple[Circuit, list[JudgedFeature]]:
    """A seed's circuit, and its features with what they are judged by."""
    model = load_model(BUNDLED, device="cpu")
    dictionaries = load_dictionaries(BUNDLED, model)
    sets = load_labelled_sets(BUNDLED, model)
    classifier = train_classifier(model, sets.train_ambiguous, site=SITE, batch_size=BATCH, seed=seed)
    name = f"{sets.name}: {sets.classes[0]} or {sets.classes[1]}"
    task = labelled_task(name, sets.train_ambiguous, sets.test_ambiguous, model, classes=sets.classes)
    circuit = classifier_circuit(classifier, dictionaries, task, node_threshold=THRESHOLD)
    texts = [text.text for text in sets.train_ambiguous[:TEXTS]]
    general = default_text(BUNDLED)
    return circuit, features_to_judge(
        circuit, classifier, dictionaries, texts, text=general, contexts=CONTEXTS
    )


def with_verdict(item: JudgedFeature, known: JudgedFeature | None) -> JudgedFeature:
    if known is None:
        return item
    return replace(item, verdict=known.verdict, note=known.note, who=known.who, when=known.when)


if __name__ == "__main__":
    main()
