"""Vectors of contexts: each kind against a plain loop over contexts, and what is kept of a stopped step."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_contexts import random_contexts
from toys import VOCAB, toy_dictionaries, toy_hf, toy_model

import circuitscope as cs
from circuitscope.behaviours import Contexts, Vectors
from circuitscope.behaviours.contexts import examples_of
from circuitscope.behaviours.vectors import SparseProjection, VectorJob, make
from circuitscope.behaviours.vectors.gradient_rows import GradientRows, linear_layers
from circuitscope.config import VectorSettings
from circuitscope.dictionaries import Dictionaries, neuron_dictionaries
from circuitscope.effects import node_effects
from circuitscope.errors import BadFile, BadInput, OutOfSpace
from circuitscope.model import LanguageModel, load_model
from circuitscope.tasks import METRICS, Inputs, make_inputs

FAMILIES = ("neox-parallel", "llama", "gemma2")
LENGTHS = (5, 9, 3, 9, 2, 7, 4)
QUIET = {"progress": False}


def setting(
    family: str = "neox-parallel", kind: str = "relu"
) -> tuple[LanguageModel, Dictionaries, Contexts]:
    model = toy_model(family)
    return model, toy_dictionaries(model, kind), random_contexts(LENGTHS, vocab=VOCAB)


def alone(contexts: Contexts, row: int) -> Inputs:
    """One context as a batch of its own."""
    return make_inputs(examples_of(contexts, [row]), has_bos=contexts.has_bos)


def dense(vectors: Vectors) -> np.ndarray:
    rows = vectors.rows()
    return rows.toarray() if vectors.is_sparse else np.asarray(rows)


def features_one_by_one(
    model: LanguageModel, dictionaries: Dictionaries, contexts: Contexts, kind: str, back: int | None
) -> np.ndarray:
    """Activations or effects by ``node_effects``, a context at a time, and dense."""
    found = []
    for row in range(len(contexts)):
        inputs = alone(contexts, row)
        effects = node_effects(model, dictionaries, inputs, METRICS["log-probability"], method="atp")
        parts = []
        for side in effects.sites.values():
            value = side.feature_effect if kind == "effects" else side.features.clean
            table = torch.zeros(inputs.clean.positions, side.features.n_features, dtype=torch.float64)
            table[side.features.token, side.features.feature] = value.double()
            end = inputs.clean.positions - 1
            one = end - (back or 0)
            parts.append(
                table.sum(dim=0) if back is None else table[one] if one >= 0 else torch.zeros_like(table[0])
            )
        found.append(torch.cat(parts).numpy())
    return np.stack(found)


@pytest.mark.parametrize("kind", ["effects", "activations"])
@pytest.mark.parametrize("family", FAMILIES)
def test_features_summed_over_positions_are_those_of_node_effects(tmp_path: Path, family: str, kind: str):
    model, dictionaries, contexts = setting(family)
    made = cs.behaviours.make_vectors(
        model, dictionaries, contexts, tmp_path / "v", kind=kind, batch_size=3, **QUIET
    )
    expected = features_one_by_one(model, dictionaries, contexts, kind, None)
    assert made.is_sparse
    assert np.abs(dense(made) - expected).max() < 1e-6 * np.abs(expected).max()
    assert np.abs(expected).max() > 0.1


@pytest.mark.parametrize("dictionary", ["topk", "jumprelu", "gated", "layer_norm relu", "identity"])
def test_every_kind_of_dictionary(tmp_path: Path, dictionary: str):
    model, dictionaries, contexts = setting(kind=dictionary)
    made = cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "v", kind="effects", **QUIET)
    expected = features_one_by_one(model, dictionaries, contexts, "effects", None)
    assert np.abs(dense(made) - expected).max() < 1e-6 * np.abs(expected).max()


def test_the_last_positions_have_columns_of_their_own(tmp_path: Path):
    model, dictionaries, contexts = setting()
    made = cs.behaviours.make_vectors(
        model, dictionaries, contexts, tmp_path / "v", kind="effects", positions="last", last=3, **QUIET
    )
    apart = [features_one_by_one(model, dictionaries, contexts, "effects", back) for back in range(3)]
    size = 20
    for number, site in enumerate(dictionaries):
        for back in range(3):
            column = (3 * number + back) * size
            expected = apart[back][:, number * size : (number + 1) * size].copy()
            expected[[row for row, length in enumerate(LENGTHS) if length - 1 <= back]] = (
                0  # BOS does not count
            )
            assert np.allclose(dense(made)[:, column : column + size], expected, atol=1e-6)
            assert made.columns.part_of(column + 4) == (made.columns.parts[3 * number + back], 4)
            assert str(made.columns.node(column + 4)) == f"{site}/4"


def test_both_are_beside_each_other(tmp_path: Path):
    model, dictionaries, contexts = setting()
    both, first, second = (
        dense(cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / kind, kind=kind, **QUIET))
        for kind in ("activations+effects", "activations", "effects")
    )
    assert np.allclose(both, np.concatenate([first, second], axis=1), atol=1e-6)


def test_sites_can_be_chosen(tmp_path: Path):
    model, dictionaries, contexts = setting()
    every = cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "a", **QUIET)
    some = cs.behaviours.make_vectors(
        model, dictionaries, contexts, tmp_path / "b", sites="resid_0,attn_1", **QUIET
    )
    assert [part.site for part in some.columns.parts] == ["resid_0", "attn_1"]
    names = [part.site for part in every.columns.parts]
    for number, site in enumerate(("resid_0", "attn_1")):
        column = 20 * names.index(site)
        assert np.allclose(
            dense(some)[:, 20 * number : 20 * number + 20], dense(every)[:, column : column + 20]
        )
    with pytest.raises(BadInput, match="there is no dictionary at mlp_7"):
        cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "c", sites="mlp_7", **QUIET)


@pytest.mark.parametrize("last", [None, 2])
def test_dense_vectors(tmp_path: Path, last: int | None):
    model, dictionaries, contexts = setting("gemma2")
    positions = {"positions": "sum"} if last is None else {"positions": "last", "last": last}
    made = cs.behaviours.make_vectors(
        model, dictionaries, contexts, tmp_path / "v", kind="dense", batch_size=4, **positions, **QUIET
    )
    assert not made.is_sparse
    for row in range(len(contexts)):
        inputs = alone(contexts, row)
        asked = torch.tensor([[inputs.clean.positions - 1]])
        x = model.capture(inputs.clean, dictionaries.taps(model), asked).x
        parts = []
        for tensor in x.values():
            text = tensor[0, 1:]  # without BOS
            if last is None:
                parts.append(text.sum(dim=0))
            else:
                from_the_end = [*text.flip(0)[:last], *([torch.zeros_like(tensor[0, 0])] * last)]
                parts += from_the_end[:last]
        assert np.allclose(made.rows(row, row + 1)[0], torch.cat(parts).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", ["neox-parallel", "gpt2", "qwen3"])
def test_gradients_are_those_of_each_context_by_itself(tmp_path: Path, family: str):
    model = load_model(toy_hf(family).float(), dtype="float32", device="cpu")
    contexts = random_contexts(LENGTHS, vocab=VOCAB)
    made = cs.behaviours.make_vectors(
        model, toy_dictionaries(toy_model(family), "relu"), contexts, tmp_path / "v", kind="gradients", dim=300,
        batch_size=3, seed=4, **QUIET,
    )  # fmt: skip
    weights = [weight for layer in linear_layers(model).values() for weight in (layer.weight, layer.bias)]
    weights = [weight.requires_grad_() for weight in weights if weight is not None]
    for row in range(len(contexts)):
        loss = torch.nn.functional.cross_entropy(
            model.hf(torch.tensor([contexts.tokens(row)])).logits[:, -1],
            torch.tensor([int(contexts.answers[row])]),
        )
        gradient = torch.cat([part.flatten() for part in torch.autograd.grad(loss, weights)])
        expected = torch.zeros(300, 1)
        SparseProjection(300, 4).add(expected, gradient[:, None], 0)
        assert np.allclose(
            made.rows(row, row + 1)[0], expected[:, 0].numpy(), atol=2e-4 * float(expected.abs().max())
        )
    assert sum(weight.numel() for weight in weights) == GradientRows(model, 300, 4).n_parameters


def test_gradients_leave_out_norms_and_embeddings():
    model = toy_model("neox-parallel")
    block = 16 * 48 + 48 + 16 * 16 + 16 + 2 * 16 * 24 + 24 + 16
    assert GradientRows(model, 10, 0).n_parameters == 2 * block


def test_parameters_that_gradients_do_not_know_are_refused():
    model = toy_model("neox-parallel")
    model.blocks[1].extra = torch.nn.Parameter(torch.zeros(3))
    with pytest.raises(BadInput, match=r"block 1\. of .* has parameters of its own"):
        linear_layers(model)


@pytest.mark.parametrize("kind", ["effects", "dense", "gradients"])
def test_chunks_and_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    model, dictionaries, contexts = setting()
    usual = {"kind": kind, "dim": 50, **QUIET}
    whole = cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "a", **usual)
    monkeypatch.setattr(make, "CHUNK", 2)
    parts = cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "b", batch_size=1, **usual)
    assert np.allclose(dense(whole), dense(parts), rtol=1e-5, atol=1e-6)
    assert parts.context_ids.tolist() == contexts.context_ids.tolist() == [10, 20, 30, 40, 50, 60, 70]


@pytest.mark.parametrize("kind", ["activations+effects", "dense"])
@pytest.mark.parametrize("reached_disk", [True, False])
def test_a_stopped_step_goes_on_with_identical_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, reached_disk: bool
):
    model, dictionaries, contexts = setting()
    monkeypatch.setattr(make, "CHUNK", 2)
    usual = {"kind": kind, **QUIET}
    cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "whole", **usual)
    real, done = make._chunk, []

    def stop_at_the_third(job: VectorJob, rows: range) -> Any:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(rows)
        return real(job, rows)

    monkeypatch.setattr(make, "_chunk", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "v", **usual)
    assert not (tmp_path / "v").exists()
    partial = tmp_path / ".v.partial"
    (file, *_) = sorted(partial.glob("*.npy"))
    with file.open("ab") as half_a_chunk:
        half_a_chunk.write(b"\1" * 100)
    if not reached_disk:
        file.write_bytes(file.read_bytes()[:150])
    again: list[range] = []

    def note(job: VectorJob, rows: range) -> Any:
        again.append(rows)
        return real(job, rows)

    monkeypatch.setattr(make, "_chunk", note)
    cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "v", **usual)
    assert [rows.start for rows in again] == ([4, 6] if reached_disk else [0, 2, 4, 6])
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert names == {path.name for path in (tmp_path / "v").iterdir()}
    for name in names - {"manifest.json"}:
        assert (tmp_path / "v" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not partial.exists()


def test_other_dictionaries_do_not_go_on_with_a_stopped_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model, dictionaries, contexts = setting()
    job = VectorJob(model, dictionaries, contexts, VectorSettings())
    other = toy_dictionaries(model, "relu", seed=1)
    assert VectorJob(model, other, contexts, VectorSettings()).plan() != job.plan()
    assert VectorJob(model, dictionaries, contexts.first(3), VectorSettings()).plan() != job.plan()
    assert VectorJob(model, dictionaries, contexts, VectorSettings(sites="embed")).plan() != job.plan()
    monkeypatch.setattr(make, "put_into", stopped)
    with pytest.raises(KeyboardInterrupt):
        cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "v", **QUIET)
    monkeypatch.undo()
    made = cs.behaviours.make_vectors(model, other, contexts, tmp_path / "v", **QUIET)
    expected = features_one_by_one(model, other, contexts, "effects", None)
    assert np.abs(dense(made) - expected).max() < 1e-6 * np.abs(expected).max()


def stopped(*_: object) -> None:
    raise KeyboardInterrupt


def test_vectors_of_zeros_are_counted_and_named(tmp_path: Path):
    model, dictionaries, _ = setting()
    contexts = random_contexts((4, 1, 6, 1), vocab=VOCAB)  # of BOS alone nothing counts
    for kind in ("effects", "dense"):
        made = cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / kind, kind=kind, **QUIET)
        assert made.zeros == (20, 40)
        assert "2 of them zero" in repr(made)
        assert Vectors.read(tmp_path / kind).zeros == (20, 40)


def test_what_they_were_made_from_is_known(tmp_path: Path):
    model, dictionaries, contexts = setting()
    made = cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "v", **QUIET)
    made.refuse_changed(dictionaries_hash=dictionaries.content_hash, contexts_hash=contexts.fingerprint)
    with pytest.raises(BadInput, match="the dictionaries changed after these vectors were made"):
        made.refuse_changed(dictionaries_hash=toy_dictionaries(model, "relu", seed=1).content_hash)
    with pytest.raises(BadInput, match="the contexts changed"):
        made.refuse_changed(contexts_hash=contexts.first(2).fingerprint)
    with pytest.raises(BadInput, match="already exists"):
        cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "v", **QUIET)


def test_a_full_disk_loses_nothing_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    model, dictionaries, contexts = setting()
    monkeypatch.setattr(make, "CHUNK", 3)
    with monkeypatch.context() as patched:
        patched.setattr("circuitscope.behaviours.vectors.growing.os.fsync", full_after(3))
        with pytest.raises(OutOfSpace, match="the disk is full"):
            cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "v", kind="dense", **QUIET)
    assert not (tmp_path / "v").exists()
    made = cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "v", kind="dense", **QUIET)
    fresh = cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "w", kind="dense", **QUIET)
    assert np.array_equal(made.rows(), fresh.rows())


def full_after(times: int) -> Any:
    """A system call that says after some times that the disk is full."""
    count = 0

    def call(*_: object) -> None:
        nonlocal count
        count += 1
        if count >= times:
            raise OSError(errno.ENOSPC, "No space left on device")

    return call


def test_files_that_are_cut_short_or_changed(tmp_path: Path):
    model, dictionaries, contexts = setting()
    cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "v", **QUIET)
    path = tmp_path / "v" / "data.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(BadFile, match=r"data\.npy cannot be read"):
        Vectors.read(tmp_path / "v")
    np.save(path, np.zeros(3, dtype=np.float32))
    with pytest.raises(BadFile, match=r"data\.npy has the shape \(3,\)"):
        Vectors.read(tmp_path / "v")
    path.unlink()
    with pytest.raises(BadFile, match=r"data\.npy cannot be read"):
        Vectors.read(tmp_path / "v")
    with pytest.raises(BadFile, match="there is no folder"):
        Vectors.read(tmp_path / "nothing")


def test_rows_come_in_parts_as_they_are_whole(tmp_path: Path):
    model, dictionaries, contexts = setting()
    for kind in ("effects", "dense"):
        made = cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / kind, kind=kind, **QUIET)
        again = Vectors.read(tmp_path / kind)
        assert again.shape == made.shape == (7, dense(made).shape[1])
        for parts in (
            [made.rows(0, 3), made.rows(3, 7)],
            [again.rows(0, 1), again.rows(1)],
            list(again.chunks(2)),
        ):
            joined = [part.toarray() if made.is_sparse else part for part in parts]
            assert np.array_equal(np.concatenate(joined), dense(made))
        assert again.rows(5, 5).shape == (0, made.shape[1])
        assert made.row_of[30] == 2
        of_memory = Vectors.of(made.rows(), kind=kind, context_ids=made.context_ids.tolist())
        assert np.array_equal(dense(of_memory), dense(made))
        assert of_memory.zeros == made.zeros


def test_no_contexts(tmp_path: Path):
    model, dictionaries, contexts = setting()
    with pytest.raises(BadInput, match="there are no contexts"):
        cs.behaviours.make_vectors(model, dictionaries, contexts.first(0), tmp_path / "v", **QUIET)


def test_saved_vectors_open_without_torch(tmp_path: Path):
    model, dictionaries, contexts = setting()
    cs.behaviours.make_vectors(model, dictionaries, contexts, tmp_path / "v", **QUIET)
    code = (
        "import sys, json; sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "from circuitscope.behaviours.vectors import Vectors\n"
        f"made = Vectors.read({str(tmp_path / 'v')!r})\n"
        "print(json.dumps([*made.shape, made.prepared().scale]))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert json.loads(said.stdout) == [7, 140, "idf"]


@pytest.mark.parametrize("kind", ["activations+effects", "dense", "gradients"])
def test_a_model_in_half_precision(tmp_path: Path, kind: str):
    contexts = random_contexts(LENGTHS, vocab=VOCAB)
    rows = []
    for number in ("float32", "bfloat16"):
        model = load_model(toy_hf("neox-parallel").float(), dtype=number, device="cpu")
        made = cs.behaviours.make_vectors(
            model, neuron_dictionaries(model), contexts, tmp_path / number, kind=kind, dim=300, **QUIET
        )
        rows.append(dense(made))
        assert rows[-1].dtype == np.float32
    lengths = [np.linalg.norm(part) for part in rows]
    assert (rows[0] * rows[1]).sum() / (lengths[0] * lengths[1]) > 0.99
