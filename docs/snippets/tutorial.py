# --8<-- [start:ask]
import circuitscope as cs
from circuitscope.dashboards import promoted_tokens, top_contexts
from circuitscope.tasks.language import text

model = cs.load_model("bundled")
dictionaries = cs.load_dictionaries("bundled", model)
task = cs.load_task("agreement/across_rc", model)
example = task.train[0]
# --8<-- [end:ask]

# --8<-- [start:discover]
circuit = cs.discover(model, dictionaries, task, nodes=100)
effects = {str(node): circuit.effect_of(node) for node in circuit.strongest(10).ids}
# --8<-- [end:discover]

# --8<-- [start:evaluate]
result = cs.evaluate(circuit, model, dictionaries, task)
scores = result.scores[0]  # the first layer and embed free
faithfulness = scores.faithfulness.value
completeness = scores.completeness.value
# --8<-- [end:evaluate]

# --8<-- [start:read]
plural, singular = cs.NodeId.parse("resid_1/223@2"), cs.NodeId.parse("resid_1/260@2")
features = [(node.site, node.feature) for node in (plural, singular)]
contexts = top_contexts(model, dictionaries, features, text(1000, seed=2))
most_active = [[context.peak_token.strip() for context in found.contexts] for found in contexts]
promoted = promoted_tokens(model, dictionaries, features)
# --8<-- [end:read]

# --8<-- [start:paths]
ways = cs.paths(circuit)
routes = [(route.share, str(route)) for route in ways.routes[:4]]
strongest = ways.paths[0]
# --8<-- [end:paths]

# --8<-- [start:intervene]
prompt = model.tokenizer("The captains that the nurse likes", return_tensors="pt")
settings = {"max_new_tokens": 4, "do_sample": False}
plain = model.tokenizer.decode(model.hf.generate(**prompt, **settings)[0], skip_special_tokens=True)

held = {plural: 0.0, singular: 15.0}  # as if the noun at position 2 were a singular
with cs.ablate(model, dictionaries, held) as edited:
    changed = edited.tokenizer.decode(edited.hf.generate(**prompt, **settings)[0], skip_special_tokens=True)
# --8<-- [end:intervene]

# --8<-- [start:keep]
cs.save(circuit, "runs/across_rc")
cs.plot(circuit, "across_rc.png", max_nodes=40)
# --8<-- [end:keep]
