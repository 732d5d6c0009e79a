"""make_vectors: what each context becomes, chunk by chunk, written as it is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from circuitscope.behaviours.contexts import Contexts
from circuitscope.behaviours.contexts.examples import examples_of
from circuitscope.behaviours.in_batches import in_batches
from circuitscope.behaviours.vectors.dense_rows import DenseRows
from circuitscope.behaviours.vectors.feature_rows import ACTIVATIONS, EFFECTS, FeatureRows
from circuitscope.behaviours.vectors.gradient_rows import GradientRows
from circuitscope.behaviours.vectors.rows_of_batch import RowMaker
from circuitscope.behaviours.vectors.store import RowStore, VectorRows
from circuitscope.behaviours.vectors.vectors import IDS, KIND, Vectors
from circuitscope.config import VectorSettings, parse_bytes, settings_from
from circuitscope.dictionaries import Dictionaries
from circuitscope.errors import BadInput, argument, expect
from circuitscope.model import LanguageModel, fingerprint
from circuitscope.runs import hash_json, new_folder, refuse_existing, write_manifest
from circuitscope.tasks import make_inputs
from circuitscope.work import Partial, Progress, shown

CHUNK = 256
"""Contexts whose vectors are kept together; a stopped step loses at most these."""


@dataclass(frozen=True)
class VectorJob:
    """What vectors are made of: the model, its dictionaries, contexts and settings."""

    model: LanguageModel
    dictionaries: Dictionaries
    """Of all sites that there are."""
    contexts: Contexts
    settings: VectorSettings

    def __post_init__(self) -> None:
        if not len(self.contexts):
            raise BadInput("there are no contexts", expected="at least one", mend="find some first")
        _ = self.maker

    @cached_property
    def used(self) -> Dictionaries:
        """The dictionaries of the sites asked for."""
        sites = self.settings.chosen_sites(list(self.dictionaries))
        missing = [str(site) for site in sites if site not in self.dictionaries]
        if missing:
            raise BadInput(
                f"there is no dictionary at {', '.join(missing)}",
                expected=", ".join(map(str, self.dictionaries)),
                mend=f"change {argument('sites')}",
            )
        return self.dictionaries.only(sites)

    @cached_property
    def maker(self) -> RowMaker:
        """What makes the rows of this kind of vector."""
        asked = self.settings
        if asked.kind == "gradients":
            return GradientRows(self.model, asked.dim, asked.seed)
        if asked.kind == "dense":
            return DenseRows(self.model, self.used, asked.positions, asked.last)
        kinds = tuple(kind for kind in (ACTIVATIONS, EFFECTS) if kind in asked.kind.split("+"))
        return FeatureRows(self.model, self.used, kinds, asked.positions, asked.last)

    @property
    def origins(self) -> dict[str, str]:
        """Hashes of what the vectors are made from."""
        return {
            "model_hash": fingerprint(self.model),
            "dictionaries_hash": self.dictionaries.content_hash,
            "contexts_hash": self.contexts.fingerprint,
        }

    def plan(self) -> dict[str, Any]:
        """What a stopped step must have in common with the one that continues it."""
        return {
            **self.origins,
            "settings": hash_json(asdict(self.settings)),
            "where": f"{self.model.dtype} {self.model.device}",
        }

    def store_in(self, folder: Path) -> RowStore:
        """What is kept of the vectors so far."""
        return RowStore(folder, width=self.maker.columns.count, is_sparse=self.maker.is_sparse)


def make_vectors(
    model: LanguageModel,
    dictionaries: Dictionaries,
    contexts: Contexts,
    out: str | Path,
    *,
    kind: str = "effects",
    sites: str = "all",
    positions: str = "sum",
    last: int = 1,
    dim: int = 30_000,
    batch_size: int = 16,
    memory: str = "2GiB",
    seed: int = 0,
    overwrite: bool = False,
    progress: Progress | bool | None = None,
) -> Vectors:
    """What each context becomes, so that contexts can be compared by how the model predicts their answers.

    The rows are written to a folder as they are made, and read from there. A stopped call continues when it is
    repeated.

    Args:
        dictionaries: say which sites there are, and for ``effects`` and ``activations`` their features.
        out: a folder that does not exist yet, unless ``overwrite``.
        kind: ``effects`` (of features: activation times gradient of −log p of the answer, above 0 where a feature
            promotes it), ``activations`` (of features), ``activations+effects``, ``dense`` (the sites' own numbers),
            or ``gradients`` (of the parameters of all blocks but norms, projected).
        sites: such as ``resid_2,mlp_2``, or ``all``.
        positions: ``sum`` over a context's tokens (without BOS), or ``last``, with columns of their own for each.
        last: with ``positions="last"``, how many.
        dim: with ``kind="gradients"``, how many dimensions they are projected to.
        batch_size: contexts that go through the model together, or fewer if they do not fit ``memory``.
        seed: of the projection.
        progress: shown by default; False is silent, a function is called with (done, total, what).

    Raises:
        BadInput: there are no contexts, or there is no dictionary at a site.
        OutOfSpace: the disk is full; nothing is half-written, and the same call continues.
    """
    call = "make_vectors(model, dictionaries, contexts, out)"
    expect(model, LanguageModel, "model", call)
    expect(dictionaries, Dictionaries, "dictionaries", call)
    expect(contexts, Contexts, "contexts", call)
    job = VectorJob(model, dictionaries, contexts, settings_from(VectorSettings, locals()))
    folder = Path(out).expanduser()
    refuse_existing(folder, overwrite=overwrite, kind=KIND)
    store = job.store_in(Partial.beside(folder, job.plan()).folder)
    with shown(progress) as tell:
        fill(job, store, tell)
    with new_folder(folder, overwrite=overwrite) as draft:
        write_manifest(draft, KIND, put_into(draft, job, store))
    Partial.discard(folder)
    return Vectors.read(folder)


def fill(job: VectorJob, store: RowStore, progress: Progress) -> None:
    """Make the rows that are not kept yet."""
    total = len(job.contexts)
    while store.rows < total:
        progress(store.rows, total, "vectors")
        store.append(_chunk(job, range(store.rows, min(store.rows + CHUNK, total))))
    progress(total, total, "vectors")


def put_into(draft: Path, job: VectorJob, store: RowStore) -> Mapping[str, Any]:
    """Put finished rows into a folder; returns what its manifest says of them."""
    store.link_into(draft)
    np.save(draft / IDS, job.contexts.context_ids)
    zeros = job.contexts.context_ids[store.zeros].tolist()
    return {
        "vectors": {
            "kind": job.settings.kind,
            "shape": [store.rows, job.maker.columns.count],
            "is_sparse": store.is_sparse,
            "columns": job.maker.columns.to_plain(),
            "zeros": zeros,
        },
        "settings": asdict(job.settings),
        **job.origins,
    }


def _chunk(job: VectorJob, rows: range) -> VectorRows:
    """The rows of some contexts, in order; contexts of similar length run together."""
    lengths = job.contexts.lengths[rows.start : rows.stop]
    order = np.argsort(lengths, kind="stable")
    parts: list[VectorRows] = []

    def run(part: slice) -> None:
        examples = examples_of(job.contexts, (order[part] + rows.start).tolist())
        inputs = make_inputs(examples, has_bos=job.contexts.has_bos).to(job.model.device)
        parts.append(job.maker.rows(inputs))

    each = job.maker.bytes_per_context(int(lengths.max()))
    budget = parse_bytes(job.settings.memory)
    in_batches(len(order), run, each=each, budget=budget, most=job.settings.batch_size)
    back = np.argsort(order, kind="stable")
    return sparse.vstack(parts, format="csr")[back] if job.maker.is_sparse else np.concatenate(parts)[back]
