"""What the bundled model knows: accuracy on held-out combinations, behaviours, and probes for hidden variables.

python -m training.check --model bundled
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor

import circuitscope as cs
from circuitscope.model import LanguageModel, TokenBatch
from circuitscope.tasks import Inputs, make_inputs
from circuitscope.tasks.agreement import STRUCTURES
from circuitscope.tasks.agreement.words import RELATIVE_VERBS, VERBS
from circuitscope.tasks.language import PROFESSIONS, Document, documents
from circuitscope.tasks.language.words import NUMBERS
from circuitscope.terms import Site

VARIABLES = {
    "number": None,
    "outer_number": None,
    "gender": None,
    "profession": None,
    "next_number": None,
    "remaining": None,
    "bracket": "none",
    "quote": "closed",
}
"""Hidden variables; where absence means something, what it means."""
PROBE_SEED, PROBE_DOCUMENTS = 1, 1500
PROBE_TOKENS = 8000


# -- agreement ---------------------------------------------------------------------------------------------


def agreement_accuracy(model: LanguageModel, structure: str) -> float:
    """Share of held-out texts, both sides of every test pair, on which the right verb form has the higher logit."""
    task = cs.load_task(f"agreement/{structure}", model)
    encoded, _ = task.encode("test", model.tokenizer, bos=True)
    inputs = make_inputs(encoded, has_bos=True).to(model.device)
    clean = _margin(model, inputs.clean, inputs)
    patch = -_margin(model, inputs.swapped().clean, inputs)
    return float((torch.cat([clean, patch]) > 0).double().mean())


def _margin(model: LanguageModel, tokens: TokenBatch, inputs: Inputs) -> Tensor:
    """logit(clean answer) − logit(patch answer)."""
    with torch.no_grad():
        logits = model.logits(tokens, tokens.last[:, None])[:, 0]
    return (logits.gather(1, inputs.clean_answers) - logits.gather(1, inputs.patch_answers))[:, 0]


# -- everything that the text settles ------------------------------------------------------------------------


def token_batches(model: LanguageModel, texts: Iterable[Document], size: int = 64) -> Iterator[TokenBatch]:
    """Documents of equal length as batches with BOS."""
    ids = model.tokenizer.get_vocab()
    rows = [[model.tokenizer.bos_token_id, *(ids[word] for word in item.words)] for item in texts]
    for first in range(0, len(rows), size):
        part = torch.tensor(rows[first : first + size])
        yield TokenBatch(part, torch.ones_like(part, dtype=torch.bool), has_bos=True).to(model.device)


@dataclass(frozen=True)
class Needed:
    """A place in a text where what comes next depends on a hidden variable."""

    variable: str
    value: str
    right: str
    """The word that comes next."""
    rivals: tuple[str, ...]
    """Words that another value of the variable would have asked for."""


_FORMS = {form: pair for pair in (*VERBS, *RELATIVE_VERBS) for form in pair}
_PAIRS = {
    word: pair
    for pair in (("He", "She"), ("he", "she"), ("His", "Her"), ("his", "her"), ("husband", "wife"))
    for word in pair
}
_SAID_OF = {
    word: (kind, number)
    for number, job in enumerate(PROFESSIONS)
    for kind, words in (("place", job.places), ("object", job.objects), ("field", (job.field,)))
    for word in words
}


def needed(document: Document, place: int) -> Needed | None:
    """What the word after the one at ``place`` depends on; None where it depends on no hidden variable."""
    known, word, following = document.known[place], document.words[place], document.words[place + 1]
    if "number" in known and following in _FORMS:
        # The last word of a relative clause gives the number back to the subject that waited outside.
        waited = place > 0 and "outer_number" in document.known[place - 1] and "outer_number" not in known
        name = "outer_number" if waited else "number"
        return _among(name, known["number"], following, _FORMS[following])
    if "gender" in known and following in _PAIRS:
        return _among("gender", known["gender"], following, _PAIRS[following])
    if "profession" in known and following in _SAID_OF:
        kind, own = _SAID_OF[following]
        others = tuple(other for other, (k, number) in _SAID_OF.items() if k == kind and number != own)
        return Needed("profession", known["profession"], following, others)
    if "next_number" in known and following in NUMBERS:
        return _among("next_number", known["next_number"], following, NUMBERS)
    if "remaining" in known and following in (",", "and", ".") and word != ":":
        return _among("remaining", known["remaining"], following, (",", "and", "."))
    if following in (")", "]"):
        return _among("bracket", known["bracket"], following, (")", "]"))
    if (
        following in ('"', ".")
        and word not in ('"', ":", ")", "]")
        and not {"remaining", "next_number"} & set(known)
    ):
        return _among("quote", known.get("quote", "closed"), following, ('"', "."))
    return None


def _among(variable: str, value: str, right: str, words: Sequence[str]) -> Needed:
    return Needed(variable, value, right, tuple(word for word in words if word != right))


def behaviour_accuracy(model: LanguageModel, count: int = 300, seed: int = 1) -> dict[str, tuple[float, int]]:
    """Per variable: how often the right word has a higher logit than every rival, and in how many places."""
    ids = model.tokenizer.get_vocab()
    texts = list(documents(count, seed))
    right: dict[str, list[bool]] = {}
    row = 0
    for tokens in token_batches(model, texts):
        positions = torch.arange(tokens.positions, device=model.device).expand(tokens.batch, -1)
        with torch.no_grad():
            logits = model.logits(tokens, positions)
        for logit in logits:
            document, row = texts[row], row + 1
            for place in range(len(document.words) - 1):
                item = needed(document, place)
                if item is not None:
                    rival = max(float(logit[place + 1, ids[word]]) for word in item.rivals)
                    right.setdefault(item.variable, []).append(
                        float(logit[place + 1, ids[item.right]]) > rival
                    )
    return {name: (float(np.mean(found)), len(found)) for name, found in right.items()}


# -- probes ------------------------------------------------------------------------------------------------


def probe_accuracy(
    model: LanguageModel, *, everywhere: bool = False, documents_read: int = PROBE_DOCUMENTS
) -> dict[str, dict[str, float]]:
    """Balanced accuracy of a linear probe per hidden variable and site, on documents it was not fitted to.

    Where the next word depends on the variable; with ``everywhere``, at every word at which it is known, also where
    the model has no use for it.
    """
    chosen = [site for site in model.sites if site.kind in ("embed", "resid")]
    texts = list(documents(documents_read, PROBE_SEED))
    x: dict[Site, list[Tensor]] = {site: [] for site in chosen}
    for tokens in token_batches(model, texts):
        asked = torch.zeros(tokens.batch, 1, dtype=torch.long, device=model.device)
        for site, value in model.capture(tokens, model.taps(chosen), asked).x.items():
            x[site].append(value[:, 1:].flatten(0, 1))
    activations = {site: torch.cat(parts).float().cpu().numpy() for site, parts in x.items()}
    document = np.repeat(np.arange(len(texts)), [len(item.words) for item in texts])
    found: dict[str, dict[str, float]] = {}
    for name, labels in (_known_labels(texts) if everywhere else _needed_labels(texts)).items():
        where = np.flatnonzero(labels != "")
        where = np.random.default_rng(0).permutation(where)[:PROBE_TOKENS]
        fitted, tested = where[document[where] % 3 != 0], where[document[where] % 3 == 0]
        found[name] = {site.name: _probe(activations[site], labels, fitted, tested) for site in chosen}
    return found


def _known_labels(texts: Sequence[Document]) -> dict[str, NDArray[np.str_]]:
    """Per variable, its value at every word; empty where it has none."""
    return {
        name: np.array([known.get(name, absent or "") for item in texts for known in item.known])
        for name, absent in VARIABLES.items()
    }


def _needed_labels(texts: Sequence[Document]) -> dict[str, NDArray[np.str_]]:
    """The same, empty also where the next word does not depend on it."""
    items = [
        needed(item, place) if place + 1 < len(item.words) else None
        for item in texts
        for place in range(len(item.words))
    ]
    names = sorted({item.variable for item in items if item is not None})
    return {
        name: np.array([item.value if item is not None and item.variable == name else "" for item in items])
        for name in names
    }


def _probe(
    x: NDArray[np.float32], labels: NDArray[np.str_], fitted: NDArray[np.int64], tested: NDArray[np.int64]
) -> float:
    scale = x[fitted].std(axis=0) + 1e-6
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a probe that has not quite converged is only a little worse
        probe = LogisticRegression(C=1.0, max_iter=300).fit(x[fitted] / scale, labels[fitted])
    return float(balanced_accuracy_score(labels[tested], probe.predict(x[tested] / scale)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="bundled")
    model = cs.load_model(parser.parse_args().model, device="cpu")
    for structure in STRUCTURES:
        print(f"agreement, held-out words, {structure:10} {agreement_accuracy(model, structure):.3f}")
    for name, (accuracy, places) in behaviour_accuracy(model).items():
        print(f"{name:10} {accuracy:.3f} of {places} places")
    for everywhere in (False, True):
        print("probes at every word" if everywhere else "probes where the next word depends on the variable")
        for name, sites in probe_accuracy(model, everywhere=everywhere).items():
            print(f"  {name:13}", "  ".join(f"{site} {value:.3f}" for site, value in sites.items()))


if __name__ == "__main__":
    main()
