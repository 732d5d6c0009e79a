import circuitscope as cs

model = cs.load_model("bundled")
dictionaries = cs.load_dictionaries("bundled", model)
prompt = model.tokenizer("The captains that the nurse likes", return_tensors="pt")
are, is_ = model.tokenizer.convert_tokens_to_ids(model.tokenizer.tokenize(" are is"))
plural, singular = "resid_1/223@2", "resid_1/260@2"  # both read at the noun


def preference():
    """How much likelier the model finds "are" than "is", as a difference of logits."""
    logits = model.hf(**prompt).logits[0, -1]
    return float(logits[are] - logits[is_])


plain = preference()
with cs.ablate(model, dictionaries, {plural: 0, singular: 15}):  # held at these values
    held = preference()
with cs.scale(model, dictionaries, {plural: 0.5}):  # half of what it is
    scaled = preference()
with cs.steer(model, dictionaries, {singular: 15}):  # 15 more than it is
    steered = preference()

# The inner one comes after the outer one.
with cs.scale(model, dictionaries, {plural: 0}), cs.steer(model, dictionaries, {singular: 15}):
    both = preference()
    ids = model.hf.generate(**prompt, max_new_tokens=4, do_sample=False)
text = model.tokenizer.decode(ids[0], skip_special_tokens=True)
