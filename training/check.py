"""What the bundled model knows: accuracy on held-out combinations, behaviours, and probes for hidden variables.

python -m training.check --model bundled
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor

import circuitscope as cs
from circuitscope.model import LanguageModel, TokenBatch
from circuitscope.tasks import Inputs, make_inputs
from circuitscope.tasks.agreement import STRUCTURES
from circuitscope.tasks.language import Document, documents
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
class Settled:
    """A place in a text where what comes next follows from what came before."""

    name: str
    right: str
    wrong: tuple[str, ...]


def settled(document: Document, place: int) -> Settled | None:
    """What must come after the word at ``place``, and what is its rival; None where nothing is settled."""
    words, known = document.words, document.known[place]
    following = words[place + 1]
    if words[place] == "," and "next_number" in known:
        return Settled(
            "counting", following, ("one", "two", "three", "four", "five", "six", "seven", "eight")
        )
    if "remaining" in known and following in (",", "and", ".") and words[place] != ":":
        return Settled("lists", following, (",", "and", "."))
    if following in (")", "]"):
        return Settled("brackets", following, (")", "]"))
    ends_clause = following in ('"', ".") and words[place] not in ('"', ":", ")", "]")
    if ends_clause and not {"remaining", "next_number"} & set(known):
        return Settled("quotes", following, ('"', "."))
    if "gender" in known and following in ("He", "She"):
        return Settled("pronouns", following, ("He", "She"))
    return None


def behaviour_accuracy(model: LanguageModel, count: int = 300, seed: int = 1) -> dict[str, tuple[float, int]]:
    """Per behaviour: how often the right word has a higher logit than every rival, and in how many places."""
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
                item = settled(document, place)
                if item is None:
                    continue
                rivals = [float(logit[place + 1, ids[word]]) for word in item.wrong if word != item.right]
                right.setdefault(item.name, []).append(float(logit[place + 1, ids[item.right]]) > max(rivals))
    return {name: (float(np.mean(found)), len(found)) for name, found in right.items()}


# -- probes ------------------------------------------------------------------------------------------------


def probe_accuracy(model: LanguageModel, sites: list[Site] | None = None) -> dict[str, dict[str, float]]:
    """Balanced accuracy of a linear probe per hidden variable and site, on documents it was not fitted to."""
    chosen = [site for site in model.sites if site.kind in ("embed", "resid")] if sites is None else sites
    texts = list(documents(PROBE_DOCUMENTS, PROBE_SEED))
    x: dict[Site, list[Tensor]] = {site: [] for site in chosen}
    for tokens in token_batches(model, texts):
        asked = torch.zeros(tokens.batch, 1, dtype=torch.long, device=model.device)
        for site, value in model.capture(tokens, model.taps(chosen), asked).x.items():
            x[site].append(value[:, 1:].flatten(0, 1))
    activations = {site: torch.cat(parts).float().cpu().numpy() for site, parts in x.items()}
    document = np.repeat(np.arange(len(texts)), [len(item.words) for item in texts])
    found: dict[str, dict[str, float]] = {}
    for name, absent in VARIABLES.items():
        labels = np.array([known.get(name, absent or "") for item in texts for known in item.known])
        where = np.flatnonzero(labels != "")
        where = np.random.default_rng(0).permutation(where)[:PROBE_TOKENS]
        fitted, tested = where[document[where] % 3 != 0], where[document[where] % 3 == 0]
        found[name] = {site.name: _probe(activations[site], labels, fitted, tested) for site in chosen}
    return found


def _probe(x: np.ndarray, labels: np.ndarray, fitted: np.ndarray, tested: np.ndarray) -> float:
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
    for name, sites in probe_accuracy(model).items():
        print(f"probe {name:13}", "  ".join(f"{site} {value:.3f}" for site, value in sites.items()))


if __name__ == "__main__":
    main()
