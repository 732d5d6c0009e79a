from pathlib import Path

import circuitscope as cs

model = cs.load_model("stories260K")
dictionaries = cs.load_dictionaries("dictionaries", model)
task = cs.load_task("examples/tasks/he_she", model)

circuit = cs.discover(model, dictionaries, task, positions="keep", nodes=200)

# First with free layers, then with none; print(result) says it in a line.
result = cs.evaluate(circuit, model, dictionaries, task)
faithfulness = [scores.faithfulness.value for scores in result.scores]

curves = cs.sweep(circuit, model, dictionaries, task, neurons=False)
needed = {curve.name: curve.needed for curve in curves.curves}

cs.save(circuit, "runs/he_she")
saved = cs.load("runs/he_she")
cs.plot(saved, Path("he_she.png"), max_nodes=40)

strongest = saved.strongest(10)
effects = {str(node): saved.effect_of(node) for node in strongest.ids}
shared = cs.compare(saved, strongest).shared
