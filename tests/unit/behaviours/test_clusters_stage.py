"""The clusters of a run: a folder per name, made from its contexts and vectors; and published files, there and
back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from test_contexts_stage import config, text
from test_vectors_stage import asked as vectors_asked
from tiny_world import World

import circuitscope as cs
from circuitscope.behaviours import Contexts, Vectors, export_clusters, import_clusters
from circuitscope.config import BehavioursClusterConfig
from circuitscope.errors import BadFile, BadInput
from circuitscope.model import load_tokenizer
from circuitscope.pipeline.behaviours import (
    run_behaviours_cluster,
    run_behaviours_contexts,
    run_behaviours_vectors,
)
from circuitscope.results import read_clusters

__all__ = ["text"]


@pytest.fixture
def run(world: World, text: Path, tmp_path: Path) -> Path:
    run_behaviours_contexts(tmp_path / "run", config(world, text, contexts=60))
    run_behaviours_vectors(tmp_path / "run", vectors_asked())
    return tmp_path / "run"


def asked(**changed: object) -> BehavioursClusterConfig:
    return BehavioursClusterConfig(**({"method": "kmeans", "clusters": "8"} | changed))


def test_each_method_has_a_folder_of_its_own(run: Path):
    found, name = run_behaviours_cluster(run, asked())
    assert name == "effects-sum-kmeans"
    assert found.vectors == "effects-sum"
    _, other = run_behaviours_cluster(run, asked(method="spectral", name="mine"))
    assert sorted(path.name for path in (run / "clusters").iterdir()) == [name, other]
    assert read_clusters(run / "clusters" / name) == read_clusters(run, name) == found
    assert cs.status(run)[f"clusters/{name}"].state == "done"
    assert cs.status(run).next is None
    with pytest.raises(BadInput, match="already exists"):
        run_behaviours_cluster(run, asked())
    with pytest.raises(BadInput, match="has several clusters") as error:
        read_clusters(run)
    assert "effects-sum-kmeans or mine" in str(error.value)
    with pytest.raises(BadInput, match="has no clusters='his'"):
        read_clusters(run, "his")


def test_the_run_has_what_python_finds(run: Path, world: World):
    there, _ = run_behaviours_cluster(run, asked())
    here = cs.behaviours.find_clusters(
        Vectors.read(run / "vectors" / "effects-sum"),
        Contexts.read(run),
        method="kmeans",
        clusters="8",
        tokenizer=load_tokenizer(str(world.model)),
        progress=False,
    )
    assert here.clusters == there.clusters


def test_clusters_are_out_of_date_when_vectors_are_made_again(run: Path):
    _, name = run_behaviours_cluster(run, asked())
    run_behaviours_vectors(run, vectors_asked(positions="last", last=2, name="effects-sum"), overwrite=True)
    stage = cs.status(run)[f"clusters/{name}"]
    assert (stage.state, stage.changed) == ("out of date", "vectors/effects-sum")
    run_behaviours_cluster(run, asked(), overwrite=True)
    assert cs.status(run)[f"clusters/{name}"].state == "done"


def test_what_comes_before_is_needed(world: World, text: Path, tmp_path: Path, run: Path):
    run_behaviours_contexts(tmp_path / "bare", config(world, text, contexts=10))
    with pytest.raises(BadInput, match="has no vectors yet") as error:
        run_behaviours_cluster(tmp_path / "bare", asked())
    assert f"circuitscope behaviours vectors {tmp_path / 'bare'}" in str(error.value)
    run_behaviours_vectors(run, vectors_asked(kind="activations"))
    with pytest.raises(BadInput, match="has several vectors"):
        run_behaviours_cluster(run, asked())
    assert run_behaviours_cluster(run, asked(vectors="activations-sum"))[1] == "activations-sum-kmeans"
    run_behaviours_contexts(run, config(world, text, contexts=20), overwrite=True)
    with pytest.raises(BadInput, match="out of date"):
        run_behaviours_cluster(run, asked(vectors="effects-sum", name="late"))
    assert not (run / "clusters" / "late").exists()


def test_fewer_contexts_than_clusters_writes_nothing(run: Path):
    with pytest.raises(BadInput, match="61 clusters of 60 contexts"):
        run_behaviours_cluster(run, asked(clusters="61"))
    assert not (run / "clusters" / "effects-sum-kmeans").exists()


def test_a_damaged_result_is_refused(run: Path):
    _, name = run_behaviours_cluster(run, asked())
    path = run / "clusters" / name / "clusters.json"
    path.write_text(path.read_text().replace('"kmeans"', '"magic"', 1))
    with pytest.raises(BadFile, match="is missing or was changed"):
        read_clusters(run)


# -- published files ---------------------------------------------------------------------------------------


def test_published_clusters_there_and_back(run: Path, world: World, tmp_path: Path):
    found, _ = run_behaviours_cluster(run, asked())
    contexts, tokenizer = Contexts.read(run), load_tokenizer(str(world.model))
    folder = export_clusters(found, contexts, tmp_path / "published", tokenizer=tokenizer)
    assert len(list(folder.glob("*.json"))) == len(found)
    first = json.loads((folder / "0000.json").read_text())
    assert set(map(int, first)) == set(found.clusters[0].members)
    row = found.clusters[0].members[0]
    plain = first[str(row)]
    assert set(plain) == {"context", "answer", "document_idx", "answer_token_in_doc_idx"}
    assert len(plain["context"]) == len(contexts.tokens(row))
    back = import_clusters(folder, tokenizer)
    assert [set(one) for one in back.members] == [set(one.members) for one in found.clusters]
    assert back.published_ids == tuple(str(number) for number in contexts.context_ids)
    for name in ("documents", "positions", "answers", "ids", "starts"):
        np.testing.assert_array_equal(getattr(back.contexts, name), getattr(contexts, name))
    assert back.contexts.has_bos == contexts.has_bos
    assert np.isnan(back.contexts.losses).all()
    with pytest.raises(BadInput, match="already exists"):
        export_clusters(found, contexts, folder, tokenizer=tokenizer)


def published(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


GOOD = {"context": ["The", " cat"], "answer": " is", "document_idx": 3}


def test_a_context_in_two_published_clusters(world: World, tmp_path: Path):
    other = {**GOOD, "answer": " has", "document_idx": 4}
    published(tmp_path / "a.json", {"17": GOOD, "5": other})
    published(tmp_path / "b.json", {"17": GOOD})
    found = import_clusters(tmp_path, load_tokenizer(str(world.model)))
    assert found.names == ("a", "b")
    assert found.published_ids == ("5", "17")
    assert found.members == ((0, 1), (1,))
    assert found.contexts.documents.tolist() == [4, 3]
    assert found.contexts.positions.tolist() == [-1, -1], "which these files do not give"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([GOOD], "is no published cluster: it is no object"),
        ({}, "is no published cluster: it is no object"),
        ({"1": [GOOD]}, "context 1 has no context"),
        ({"1": {**GOOD, "answer": 3}}, "context 1 has no answer"),
        ({"1": {"context": ["The"], "answer": " is"}}, "context 1 has no document_idx"),
        ({"1": {**GOOD, "context": []}}, "context 1 has no tokens"),
        ({"1": {**GOOD, "context": ["The", 3]}}, "context 1 has no tokens"),
        ({"1": {**GOOD, "context": ["The", " xylophone"]}}, "has no token, or several, for ' xylophone'"),
    ],
)
def test_files_that_are_no_published_clusters(content: object, said: str, world: World, tmp_path: Path):
    path = published(tmp_path / "one.json", content)
    with pytest.raises(BadFile) as error:
        import_clusters(path, load_tokenizer(str(world.model)))
    assert said in str(error.value)


def test_published_files_that_contradict_each_other(world: World, tmp_path: Path):
    tokenizer = load_tokenizer(str(world.model))
    with pytest.raises(BadFile, match="has no clusters"):
        import_clusters(tmp_path, tokenizer)
    published(tmp_path / "a.json", {"17": GOOD})
    published(tmp_path / "b.json", {"17": {**GOOD, "document_idx": 9}})
    with pytest.raises(BadFile, match=r"b\.json has another context 17 than a file before it"):
        import_clusters(tmp_path, tokenizer)
