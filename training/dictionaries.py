"""Training the dictionaries of the bundled model, one for each of its 13 sites, on text of the bundled language."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

import circuitscope as cs
from circuitscope.bundled import BUNDLED
from circuitscope.cli.train import quality_table
from circuitscope.config import TrainConfig
from circuitscope.dictionaries.readers import own_folder
from circuitscope.runs import MANIFEST, read_json
from circuitscope.tasks.language import WORDS, text

SEED = 3
"""Another one than the model's and the probes'."""
KIND, FEATURES, K, TOKENS = "batchtopk", 512, 8, 3_000_000


def train(model_folder: str, out: Path, *, kind: str, k: int, tokens: int, sites: str = "all") -> None:
    """Train, and write circuitscope's own folder without the copies for other programs."""
    model = cs.load_model(model_folder, device="cpu")
    config = TrainConfig(
        kind=kind,
        features=FEATURES,
        k=k,
        tokens=tokens,
        context=WORDS + 1,
        buffer=512,
        sites=sites,
        seed=SEED,
    )
    with TemporaryDirectory() as draft:
        place = Path(draft) / "dictionaries"
        dictionaries, quality = cs.train_dictionaries(
            model, text(round(1.1 * tokens / WORDS), SEED), place, config, progress=_say
        )
        manifest = read_json(place / MANIFEST)
        extra = {name: manifest[name] for name in ("training", "text", "quality")} | {"model": BUNDLED}
        own_folder.write(dictionaries, out, overwrite=True, extra=extra)
    Console(width=110).print(quality_table([vars(entry) for entry in quality]))


def _say(done: int, total: int, what: str) -> None:
    if done % 200 == 0:
        print(f"{what} {done} of {total}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kind", default=KIND)
    parser.add_argument("--k", type=int, default=K)
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--sites", default="all")
    given = parser.parse_args()
    train(given.model, given.out, kind=given.kind, k=given.k, tokens=given.tokens, sites=given.sites)
