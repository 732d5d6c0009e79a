import circuitscope as cs
from circuitscope.effects import Rows
from circuitscope.tasks import make_inputs, metric_named

model = cs.load_model("stories260K")
dictionaries = cs.load_dictionaries("dictionaries", model)
task = cs.load_task("examples/tasks/he_she", model)

encoded, skipped = task.encode("train", model.tokenizer, bos=True, limit=8)
inputs = make_inputs(encoded, has_bos=True).to(model.device)
effects = cs.node_effects(model, dictionaries, inputs, metric_named("auto", pairs=True), method="ig")

site = cs.Site.parse("resid_1")
found = effects.sites[site]
strong = found.feature_effect.abs().topk(5).indices  # rows of (token, feature) with their effects
token, feature = found.features.token[strong], found.features.feature[strong]

# Every upstream node's edges into these five nodes; token = example * positions + position.
rows = Rows(token // inputs.clean.positions, token % inputs.clean.positions, feature)
edges = cs.edge_effects(model, dictionaries, effects, {site: rows}, at="clean")
upstream = {str(source): entries.effect for (source, target), entries in edges.items()}
