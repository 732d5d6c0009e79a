# --8<-- [start:ask]
import circuitscope as cs

model = cs.load_model("bundled")
dictionaries = cs.load_dictionaries("bundled", model)
task = cs.load_task("agreement/across_rc", model)
example = task.train[0]
# --8<-- [end:ask]

# --8<-- [start:discover]
circuit = cs.discover(model, dictionaries, task, nodes=200)
effects = {str(node): circuit.effect_of(node) for node in circuit.strongest(10).ids}
# --8<-- [end:discover]

# --8<-- [start:evaluate]
result = cs.evaluate(circuit, model, dictionaries, task)
scores = result["scores"][0]  # the first third of the layers free, as in the paper
faithfulness = scores["faithfulness"]["value"]
completeness = scores["completeness"]["value"]
# --8<-- [end:evaluate]

# --8<-- [start:read]
from circuitscope.dashboards import promoted_tokens, top_contexts
from circuitscope.tasks.language import text

last = max(position for position in circuit.nodes.position)
readers = [node for node in circuit.strongest(200).ids if not node.is_error and node.position == last]
features = [(node.site, node.feature) for node in readers[:5]]
contexts = top_contexts(model, dictionaries, features, text(1000, seed=2))
promoted = promoted_tokens(model, dictionaries, features)
# --8<-- [end:read]

# --8<-- [start:ablate]
from circuitscope.tasks import make_inputs, metric_named

encoded, _ = task.encode("test", model.tokenizer, bos=True, limit=40)
inputs = make_inputs(encoded, has_bos=True)
metric = metric_named("auto", pairs=True)


def preference() -> float:
    """By how much the logit of the right verb is above that of the wrong one, on average."""
    return -float(metric(model.logits(inputs.clean, metric.positions(inputs)), inputs).mean())


before = preference()
with cs.ablate(model, dictionaries, circuit.strongest(20)):
    after = preference()
# --8<-- [end:ablate]

# --8<-- [start:write]
cs.save(circuit, "runs/across_rc")
cs.plot(circuit, "across_rc.png", max_nodes=40)
# --8<-- [end:write]
