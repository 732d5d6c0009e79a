"""circuitscope behaviours: what the verbs say, and what they refuse in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_world import Result, World, random_dictionary

import circuitscope as cs
from circuitscope.behaviours import Contexts
from circuitscope.dictionaries import Dictionaries

Program = Callable[..., Result]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    words = ["The cat is old", "The dogs are near the king", "The old girl has cats", "boys have old dogs"]
    path = tmp_path / "text.txt"
    path.write_text("<|endoftext|>".join([*words, words[0]]))
    return path


def command(world: World, run: Path, text: Path, *more: object) -> list[Any]:
    return ["behaviours", "contexts", run, "--model", world.model, "--dictionaries", world.dictionaries,
            "--text", text, "--context", 16, "--loss", 20, "--device", "cpu", *more]  # fmt: skip


def test_contexts_says_what_was_left_out(world: World, program: Program, text: Path, tmp_path: Path):
    made = program(*command(world, tmp_path / "run", text))
    assert made.status == 0, made.err
    assert "15 tokens of 5 documents" in made.out
    assert "documents that had come before" in made.out
    assert "more than the limit in one document" in made.out
    assert "Contexts(4 of 4 documents" in made.out
    assert "next: circuitscope behaviours vectors" in made.out
    assert len(Contexts.read(tmp_path / "run")) == 4
    said = program("status", tmp_path / "run").out
    assert "contexts" in said
    assert f"text.txt on {world.model}" in said.replace("\n", "")


def test_what_cannot_be_found_is_one_error(world: World, program: Program, text: Path, tmp_path: Path):
    refused = program(*command(world, tmp_path / "run", tmp_path / "no.txt"))
    assert refused.status == 1
    assert "there is no text at" in refused.err
    refused = program(*command(world, tmp_path / "run", text, "--loss", "0.0000001"))
    assert refused.status == 1
    assert "none of the 15 tokens of the text became a context" in refused.err
    assert "raise --loss" in refused.err
    (tmp_path / "empty.txt").write_text(" ")
    refused = program(*command(world, tmp_path / "run", tmp_path / "empty.txt"))
    assert refused.status == 1
    assert "the text is empty" in refused.err
    assert not (tmp_path / "run" / "contexts").exists()


def test_vectors_says_what_it_made(world: World, program: Program, text: Path, tmp_path: Path):
    run = tmp_path / "run"
    program(*command(world, run, text))
    made = program("behaviours", "vectors", run, "--kind", "activations", "--device", "cpu")
    assert made.status == 0, made.err
    assert "Vectors(activations: 4 × 168" in made.out
    assert str(run / "vectors" / "activations-sum") in made.out
    refused = program("behaviours", "vectors", run, "--kind", "activations", "--device", "cpu")
    assert refused.status == 1
    assert "already exists" in refused.err
    refused = program("behaviours", "vectors", tmp_path / "no", "--device", "cpu")
    assert refused.status == 1
    assert "circuitscope behaviours contexts" in refused.err
    refused = program("behaviours", "vectors", run, "--sites", "resid_9", "--device", "cpu")
    assert refused.status == 1
    assert "there is no dictionary at resid_9" in refused.err


def test_vectors_names_those_that_are_zero(world: World, program: Program, text: Path, tmp_path: Path):
    silent = random_dictionary()
    silent.b_enc = torch.full_like(silent.b_enc, -1e3)  # so that no feature is ever active
    cs.write_dictionaries(
        Dictionaries({cs.Site.parse("resid_0"): silent}, name="silent"), tmp_path / "silent"
    )
    run = tmp_path / "run"
    program(*command(world, run, text, "--dictionaries", tmp_path / "silent"))
    made = program("behaviours", "vectors", run, "--device", "cpu")
    assert made.status == 0, made.err
    assert "4 vectors are all zeros, and similar to nothing: contexts 0, 1, 2, 3" in made.out


def test_cluster_says_what_it_found(world: World, program: Program, text: Path, tmp_path: Path):
    run = tmp_path / "run"
    program(*command(world, run, text, "--per-document", 0))
    program("behaviours", "vectors", run, "--device", "cpu")
    made = program("behaviours", "cluster", run, "--method", "kmeans", "--clusters", "2,3")
    assert made.status == 0, made.err
    assert "numbers of clusters" in made.out
    assert "* was taken" in made.out
    assert "of all equal a trivial grouping" in made.out
    assert "Clusters(" in made.out
    assert (run / "clusters" / "effects-sum-kmeans" / "clusters.json").is_file()
    assert "clusters/effects-sum-kmeans" in program("status", run).out
    refused = program(
        "behaviours", "cluster", run, "--method", "kmeans", "--clusters", "1000", "--name", "many"
    )
    assert refused.status == 1
    assert "1000 clusters of" in refused.err
    assert "lower --clusters" in refused.err
    refused = program("behaviours", "cluster", run, "--vectors", "mine")
    assert refused.status == 1
    assert "has no --vectors mine" in refused.err


def everything_in(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_dry_runs_count_and_write_nothing(world: World, program: Program, text: Path, tmp_path: Path):
    run = tmp_path / "run"
    tried = program(*command(world, run, text), "--dry-run")
    assert tried.status == 0, tried.err
    assert "5 documents with 4 contexts took" in tried.out
    assert not run.exists()
    assert program(*command(world, run, text)).status == 0
    before = everything_in(run)
    tried = program("behaviours", "vectors", run, "--device", "cpu", "--dry-run")
    assert tried.status == 0, tried.err
    assert "4 contexts took" in tried.out
    assert everything_in(run) == before
    assert program("behaviours", "vectors", run, "--device", "cpu").status == 0
    before = everything_in(run)
    tried = program("behaviours", "cluster", run, "--dry-run")
    assert tried.status == 0, tried.err
    assert "vectors, each beside all" in tried.out
    assert everything_in(run) == before
    refused = program("behaviours", "contexts", run, "--text", text, "--dry-run")
    assert refused.status == 1
    assert "already exists" in refused.err
