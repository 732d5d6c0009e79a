# --8<-- [start:train]
import circuitscope as cs

model = cs.load_model("bundled")
dictionaries = cs.load_dictionaries("bundled", model)
sets = cs.shift.load_labelled_sets("bundled", model, limit=512)  # or your own file

classifier = cs.shift.train_classifier(model, sets.train_ambiguous, site="resid_2", epochs=8)
# --8<-- [end:train]

# --8<-- [start:circuit]
circuit = cs.shift.classifier_circuit(classifier, dictionaries, sets.train_ambiguous, examples=16, nodes=20)
# --8<-- [end:circuit]

# --8<-- [start:judge]
texts = [text.text for text in sets.train_ambiguous[:100]]
features = cs.shift.features_to_judge(circuit, classifier, dictionaries, texts, contexts=5)
cs.shift.write_features("sheet.csv", circuit, features)
# --8<-- [end:judge]

# The reader fills in the sheet; here every feature that is most active on "he" or "she" is struck.
from dataclasses import replace  # noqa: E402

cues = {"he", "she", "his", "her"}
judged = [
    replace(item, verdict="remove" if {c.token.strip().lower() for c in item.contexts} & cues else "keep")
    for item in features
]
cs.shift.write_features("sheet.csv", circuit, judged)

# --8<-- [start:edit]
struck = cs.shift.removed(cs.shift.read_sheet("sheet.csv", circuit))
edits = cs.shift.edits_of(model, dictionaries, struck)
again = cs.shift.train_classifier(model, sets.train_ambiguous, site="resid_2", epochs=8, edits=edits)

balanced = sets.test_balanced
before = cs.shift.score(classifier.predict(balanced), balanced)
shift = cs.shift.score(classifier.predict(balanced, edits), balanced)
retrained = cs.shift.score(again.predict(balanced, edits), balanced)
# --8<-- [end:edit]
