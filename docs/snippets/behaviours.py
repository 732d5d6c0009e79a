# --8<-- [start:contexts]
import circuitscope as cs

model = cs.load_model("bundled")
text = cs.behaviours.open_texts("bundled")  # or your own files, folders, data sets on the hub

contexts = cs.behaviours.find_contexts(model, text, contexts=300)
read = contexts.texts(model.tokenizer)  # what came before each answer
answers = contexts.answer_texts(model.tokenizer)
# --8<-- [end:contexts]
