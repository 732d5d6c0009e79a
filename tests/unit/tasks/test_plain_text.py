"""Plain text as documents: the same whatever holds it, read one at a time, with one error for what cannot be read."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pyarrow
import pyarrow.parquet
import pytest
from hub_cache import snapshot

from circuitscope.errors import BadFile, BadInput
from circuitscope.model import documents_of
from circuitscope.tasks.texts import files, open_texts
from circuitscope.tasks.texts.sources import chosen

TEXTS = ["one two", "three\nfour", "", "five “six”"]


def write(path: Path, texts: list[str], field: str = "text") -> Path:
    rows = [{"number": number, field: text} for number, text in enumerate(texts)]
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".csv":
        lines = [f"number,{field}", *(f'{row["number"]},"{row[field]}"' for row in rows)]
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        path.write_text("<|endoftext|>".join(texts), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["a.txt", "a.story", "a.parquet", "a.jsonl", "a.csv"])
def test_the_same_documents_from_every_format(tmp_path: Path, name: str):
    assert list(open_texts(write(tmp_path / name, TEXTS))) == TEXTS


@pytest.mark.parametrize("chunk", [1, 2, 5, 13, 14, 1000])
def test_a_separator_may_lie_across_two_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int):
    monkeypatch.setattr(files, "_CHUNK", chunk)
    path = write(tmp_path / "a.txt", TEXTS)
    assert list(open_texts(path)) == TEXTS
    assert documents_of(path.read_text(encoding="utf-8")) == [text for text in TEXTS if text]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_a_document_without_end_is_cut_at_white_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    monkeypatch.setattr(files, "LONGEST", 40)
    monkeypatch.setattr(files, "_CHUNK", 7)
    words = " ".join(f"word{number}" for number in range(100))
    found = list(open_texts(write(tmp_path / name, [words, "end"])))
    assert "".join(found[:-1]) == words
    assert found[-1] == "end"
    assert len(found) > 10
    assert max(map(len, found)) <= 40 + len("<|endoftext|>")
    assert all(part.strip().startswith("word") for part in found[:-1])


def test_a_long_word_is_cut_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "LONGEST", 40)
    found = list(open_texts(write(tmp_path / "a.txt", ["x" * 100])))
    assert [len(part) for part in found] == [40, 40, 20]


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path):
    (tmp_path / "in").mkdir()
    write(tmp_path / "b.txt", ["b"])
    write(tmp_path / "in" / "c.jsonl", ["c"])
    write(tmp_path / "a.parquet", ["a1", "a2"])
    write(tmp_path / "notes.md", ["not read"])
    write(tmp_path / ".hidden.txt", ["not read"])
    assert list(open_texts(tmp_path)) == ["a1", "a2", "b", "c"]
    assert list(open_texts([tmp_path / "b.txt", str(tmp_path / "a.parquet")])) == ["b", "a1", "a2"]
    assert open_texts(tmp_path).size == sum(
        (tmp_path / name).stat().st_size for name in ("b.txt", "in/c.jsonl", "a.parquet")
    )


def test_the_field_is_found_by_name_or_named(tmp_path: Path):
    assert list(open_texts(write(tmp_path / "a.jsonl", ["x"], field="content"))) == ["x"]
    other = write(tmp_path / "b.parquet", ["x"], field="body")
    assert list(open_texts(other, text_field="body")) == ["x"]
    with pytest.raises(BadFile, match=r"b\.parquet has the fields number, body, but no text") as refused:
        list(open_texts(other))
    assert "text_field" in refused.value.mend
    with pytest.raises(BadFile, match="but no story"):
        list(open_texts(other, text_field="story"))


def test_the_bundled_language():
    first = list(islice(open_texts("bundled"), 3))
    assert first == list(islice(open_texts("bundled"), 3))
    assert all(len(text.split()) > 20 for text in first)


def test_what_is_not_there(tmp_path: Path):
    with pytest.raises(BadInput, match="there is no text at"):
        open_texts(tmp_path / "nothing.txt")
    with pytest.raises(BadInput, match="there is no text at"):
        open_texts("./nothing")
    with pytest.raises(BadFile, match="has no file of text"):
        open_texts(tmp_path)


def test_what_is_not_text(tmp_path: Path):
    (tmp_path / "a.txt").write_bytes(b"fine \xff\xfe not")
    with pytest.raises(BadFile, match=r"a\.txt cannot be read: 'utf-8' codec"):
        list(open_texts(tmp_path / "a.txt"))
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(BadFile, match=r"b\.parquet cannot be read"):
        list(open_texts(tmp_path / "b.parquet"))
    (tmp_path / "c.jsonl").write_text('{"text": "x"}\n{"other": 1}\n')
    with pytest.raises(BadFile, match=r"c\.jsonl, line 2 has no text"):
        list(open_texts(tmp_path / "c.jsonl"))


def test_a_data_set_that_was_downloaded_earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    place = snapshot(tmp_path, "someone/stories", kind="datasets")
    (place / "data").mkdir()
    write(place / "data" / "train-00001.parquet", ["second"])
    write(place / "data" / "train-00000.parquet", ["first"])
    write(place / "data" / "test-00000.parquet", ["not read"])
    write(place / "data" / "train.jsonl", ["the same rows again"])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(tmp_path))
    assert list(open_texts("someone/stories")) == ["first", "second"]
    with pytest.raises(BadFile, match="the hub returned no such data set"):
        open_texts("someone/nothing")


def test_which_files_of_a_data_set_are_read():
    assert chosen(["README.md", "b.txt", "a.txt"], "x") == ["a.txt", "b.txt"]
    assert chosen(["train/1.csv", "validation/1.csv", "TinyStories-train.txt"], "x") == ["train/1.csv"]
    assert chosen(["one.jsonl", "two.jsonl"], "x") == ["one.jsonl", "two.jsonl"]
    with pytest.raises(BadFile, match="the data set x has no file of text"):
        chosen(["README.md", "model.bin"], "x")


def test_no_file_of_a_data_set_is_fetched_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fetched = []

    def tree(_: object, repository: str, **__: object) -> list[SimpleNamespace]:
        names = ("data/train-0.jsonl", "data/train-1.jsonl", "data/train-2.jsonl", "README.md")
        return [SimpleNamespace(path=name, size=100) for name in names] + [SimpleNamespace(path="data")]

    def fetch(repository: str, name: str, **_: object) -> str:
        fetched.append((repository, name))
        if name.endswith("2.jsonl"):
            raise ConnectionError("no network")
        return str(write(tmp_path / Path(name).name, [f"a {name}", f"b {name}"]))

    monkeypatch.setattr("huggingface_hub.HfApi.list_repo_tree", tree)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    text = open_texts("someone/stories")
    assert (fetched, text.size) == ([], 300)
    documents = iter(text)
    assert next(documents) == "a data/train-0.jsonl"
    assert fetched == [("someone/stories", "data/train-0.jsonl")]
    assert [next(documents), next(documents)] == ["b data/train-0.jsonl", "a data/train-1.jsonl"]
    with pytest.raises(
        BadFile, match=r"data/train-2\.jsonl of the data set .* cannot be fetched: no network"
    ):
        list(documents)
