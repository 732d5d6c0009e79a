import circuitscope as cs

model = cs.load_model("EleutherAI/pythia-70m-deduped")
dictionaries = cs.load_dictionaries("dictionaries", model)
circuit = cs.discover(model, dictionaries, "agreement/across_rc", nodes=100)
