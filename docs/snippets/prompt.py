import circuitscope as cs

model = cs.load_model("bundled")
dictionaries = cs.load_dictionaries("bundled", model)
task = cs.prompt_task(model, "The teachers near the desk", answer=" are", against=[" is", " does"])

circuit = cs.discover(model, dictionaries, task, nodes=40)
result = cs.evaluate(circuit, free_layers=1)
cs.save(circuit, "runs/desk")  # with the prompt, so that it can be opened again
