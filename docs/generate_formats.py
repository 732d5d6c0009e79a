"""Write docs/formats.md from the program itself: formats and kinds of dictionaries, families of models.

    python docs/generate_formats.py

The tables are read from the readers, the kinds and the family records, so the page says what is supported and
nothing else. tests/test_docs.py fails when the page and the program differ.
"""

from __future__ import annotations

import re
from pathlib import Path

from circuitscope.dictionaries import kinds
from circuitscope.dictionaries.affine import JumpReluDictionary, ReluDictionary, TopKDictionary
from circuitscope.dictionaries.gated import GatedDictionary
from circuitscope.dictionaries.identity import IdentityDictionary
from circuitscope.dictionaries.normalised import NORMALISATIONS
from circuitscope.dictionaries.readers.find import READERS
from circuitscope.model import Family, Tap, supported_families
from circuitscope.model import families as records

PAGE = Path(__file__).with_name("formats.md")
CLASSES = (ReluDictionary, TopKDictionary, JumpReluDictionary, GatedDictionary, IdentityDictionary)
SITES = ("embed", "attn", "mlp", "resid")

INTRODUCTION = """\
# What is supported

The tables on this page are generated from the program (`python docs/generate_formats.py`).

## Formats of dictionaries

A folder has one of these layouts, at any level below it; one folder may hold many sites. The format is recognised
from the files. circuitscope's own folder takes precedence where its manifest is, even though a copy for SAELens
lies inside it. A folder with two published formats is refused: name the one inside it that you mean.
"""

AFTER_FORMATS = """\
A folder that contains nothing but one zip of such a folder is unpacked once, into the user's cache or into
`CIRCUITSCOPE_HOME`. The dictionaries of Pythia-70M are published this way.

Files are read without running code from them: checkpoints with `weights_only`, npz without pickled objects.

**Which site** a dictionary belongs to comes from its config (the hook of SAELens, the submodule of
dictionary_learning), from the module that names its folder (sparsify), from the repository's name and the layer's
folder (Gemma Scope), or from a folder named like the site. A dictionary that says nothing can be given a site in a
[YAML file](start.md#several-sources).

**Which tensor** it reads comes from the same name, and must be one of those in the
[table of families](#families-of-models). A dictionary for another tensor is refused for that reason.

**Gemma Scope 2** has a repository per Gemma-3 model, with a folder per kind of tensor (`resid_post_all`,
`attn_out_all`, `mlp_out_all`). Of each layer the dictionary of width 16k and of `l0_medium`, or else `l0_big`, is
used; transcoders are left out. For others, name their folder:
`google/gemma-scope-2-270m-pt:resid_post/layer_5_width_65k_l0_medium`. In the instruction-tuned models the first four
positions (`<bos><start_of_turn>user` and a line break) were not trained on.

**Gemma Scope** has several dictionaries per layer. Of width 16k, the one whose average L0 is nearest to 100 is
used, and the log says which that was. From the hub only those files are downloaded. To use another, name its
folder: `google/gemma-scope-2b-pt-res:layer_12/width_65k`. The dictionary of the embedding was trained before Gemma
scales it; it is read as one of the scaled stream, decoder and both biases included.

**SAELens.** Scalings by a constant are folded into the weights. `expected_average_only_in` without the scale beside
it (`activation_scaler.json`) is read as it stands, as SAELens does, with a warning. A config that says
`center_writing_weights` describes a dictionary of the centred stream; the mean is left in the error. For some
releases, such as `gpt2-small-res-jb`, SAELens's own list says so. Where the config does not, add it there, in
`metadata` or beside the other keys: `"model_from_pretrained_kwargs": {"center_writing_weights": true}`.

**Not supported**: transcoders, dictionaries of a single attention head or of several layers at once, and
normalisations other than the two below. Each is refused with a message that says what it is.
"""

KINDS = """\
## Kinds of dictionaries

| kind | activation | tensors |
|---|---|---|
"""

AFTER_KINDS = """\
`pre = w_enc (x − pre_bias) + b_enc`, and the reconstruction is `w_decᵀ f + b_dec`. `w_enc` and `w_dec` are
(features, width), one row per feature. `pre_bias` is optional. BatchTopK and Matryoshka dictionaries are
`jumprelu` with the threshold that their training measured; without one they are refused.
"""

NORMALISED = """\
### Normalised inputs

`{words}` in front of a kind, as in `layer_norm topk`: the dictionary reads
n(x) instead of x, and its reconstruction is multiplied by s(x) afterwards. The *value* of a feature is then
s(x) · f_i(n(x)), in the model's own units, and its write vector is the decoder's row, unchanged. Everything else, the
scaled bias and the mean, is in the error, so x = Σ value_i v_i + error holds exactly and b is 0.
"""

FAMILIES = """\
## Families of models

A model is covered if the `model_type` of its `config.json` is listed and its record holds on a forward pass, which
is checked whenever a model is loaded. The first tensor of a site is what a bare site name means. What other
libraries call a tensor is in brackets; sparsify names it by the module that gives it, which must be the one tapped.
[Another family](extending.md#a-model-family) is a record of a few lines.
"""


def page() -> str:
    """The whole page as Markdown."""
    normalised = NORMALISED.format(words="` or `".join(NORMALISATIONS))
    parts = [INTRODUCTION, formats(), AFTER_FORMATS, KINDS + kind_lines(), AFTER_KINDS, normalised, FAMILIES]
    return "\n".join([*parts, family_table(), *tensor_tables()])


def formats() -> str:
    lines = ["| format | layout | what is read of it |", "|---|---|---|"]
    for reader in READERS:
        layout = reader.LAYOUT.rpartition(" (")[0].replace("'", "`")
        lines.append(f"| {reader.NAME} | {layout} | {words(reader.HOLDS)} |")
    return "\n".join(lines) + "\n"


def kind_lines() -> str:
    assert [item.kind for item in CLASSES] == [*kinds.KINDS, IdentityDictionary.kind]
    lines = []
    for item in CLASSES:
        shared = () if item is IdentityDictionary else kinds.SHARED
        tensors = words((*shared, *kinds.OWN.get(item.kind, ()))) or "none; its setting is the `width`"
        setting = " and the setting `k`" if item is TopKDictionary else ""
        lines.append(f"| `{item.kind}` | {first_sentence(item)} | {tensors}{setting} |")
    return "\n".join(lines) + "\n"


def first_sentence(item: type) -> str:
    """What the class says of itself, without the reference."""
    text = " ".join((item.__doc__ or "").split("\n\n")[0].split())
    return re.sub(r" \([^()]*arXiv[^()]*\)", "", text).rstrip(".").replace("|", "\\|")


def family_table() -> str:
    lines = ["| family | `model_type` |", "|---|---|"]
    lines += [f"| {family.name} | {words(family.model_types)} |" for family in own_families()]
    return "\n".join(lines) + "\n"


def own_families() -> list[Family]:
    """The families of this package; a test may have registered others."""
    names = [family.name for family in records.FAMILIES]
    return [family for family in supported_families() if family.name in names]


def tensor_tables() -> list[str]:
    """Families whose tensors have the same names share a table."""
    groups: dict[str, list[str]] = {}
    for family in own_families():
        lines = ["| site | tensors |", "|---|---|"]
        lines += [f"| {kind} | {'; '.join(map(tensor, family.options(kind)))} |" for kind in SITES]
        groups.setdefault("\n".join(lines), []).append(family.name)
    return [f"### Tensors of {', '.join(names)}\n\n{table}\n" for table, names in groups.items()]


def tensor(tap: Tap) -> str:
    """A tensor by its name, with what others call it."""
    return f"{tap.name} ({words(tap.hooks)})" if tap.hooks else tap.name


def words(items: tuple[str, ...]) -> str:
    return ", ".join(f"`{item}`" for item in items)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
