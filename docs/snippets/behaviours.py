# --8<-- [start:contexts]
import circuitscope as cs

model = cs.load_model("bundled")
text = cs.behaviours.open_texts("bundled")  # or your own files, folders, data sets on the hub

contexts = cs.behaviours.find_contexts(model, text, contexts=300)
read = contexts.texts(model.tokenizer)  # what came before each answer
answers = contexts.answer_texts(model.tokenizer)
# --8<-- [end:contexts]

# --8<-- [start:vectors]
dictionaries = cs.load_dictionaries("bundled", model)
vectors = cs.behaviours.make_vectors(model, dictionaries, contexts, "vectors/effects", kind="effects")

rows = vectors.prepared().rows()
cosines = rows @ rows.T
closest = cosines[0].toarray().argsort()[0, ::-1][:5]  # the context itself comes first
# --8<-- [end:vectors]

# --8<-- [start:clusters]
clusters = cs.behaviours.find_clusters(vectors, contexts, tokenizer=model.tokenizer)
largest = clusters.clusters[0]
said = (largest.name, len(largest), largest.conductance, largest.equals)
# --8<-- [end:clusters]
