"""A folder with a zip in it: unpacked once, whole or not at all, and never outside its own folder."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from circuitscope.dictionaries.readers import read_dictionaries, zipped
from circuitscope.errors import BadFile, OutOfSpace
from circuitscope.terms import Site

WIDTH, FEATURES = 6, 16


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("CIRCUITSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def checkpoint(seed: int = 0) -> bytes:
    torch.manual_seed(seed)
    state = {
        "bias": torch.randn(WIDTH),
        "encoder.weight": torch.randn(FEATURES, WIDTH),
        "encoder.bias": torch.randn(FEATURES),
        "decoder.weight": torch.randn(WIDTH, FEATURES),
    }
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


SITES = ("embed", "attn_out_layer0", "mlp_out_layer0", "resid_out_layer0")


def release(folder: Path, extra: dict[str, bytes] | None = None, seed: int = 0) -> Path:
    """The Pythia release: a hub repository with a zip and files about it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    path = folder / "dictionaries_pythia-70m-deduped_10.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for site in SITES:
            root = f"dictionaries/pythia-70m-deduped/{site}/10_32768"
            archive.writestr(f"{root}/ae.pt", checkpoint(seed))
            archive.writestr(
                f"{root}/config.json", '{"trainer": {"dict_class": "AutoEncoder"}, "buffer": {}}'
            )
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    return path


def test_the_pythia_release_reads_as_it_is_published(tmp_path):
    release(tmp_path / "hub")
    found = read_dictionaries(tmp_path / "hub")
    assert [str(site) for site in found] == ["embed", "attn_0", "mlp_0", "resid_0"]
    assert found[Site("mlp", 0)].n_features == FEATURES


def test_a_zip_can_be_named_itself(tmp_path):
    path = release(tmp_path / "hub")
    assert len(read_dictionaries(path)) == 4


def test_it_is_unpacked_once(tmp_path, monkeypatch):
    path = release(tmp_path / "hub")
    first = zipped.unpacked(path)
    times = {file: file.stat().st_mtime_ns for file in first.rglob("*")}
    monkeypatch.setattr(zipped, "_unpack", lambda *_: pytest.fail("unpacked again"))
    assert zipped.unpacked(path) == first
    assert {file: file.stat().st_mtime_ns for file in first.rglob("*")} == times


def test_another_zip_of_that_name_is_another_folder(tmp_path):
    first = zipped.unpacked(release(tmp_path / "hub"))
    assert zipped.unpacked(release(tmp_path / "hub", seed=1)) != first


def test_only_what_a_reader_reads_is_taken_out(tmp_path):
    extra = {"dictionaries/run.sh": b"rm -rf", "__MACOSX/dictionaries/ae.pt": b"", "notes.txt": b""}
    folder = zipped.unpacked(release(tmp_path / "hub", extra))
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {"ae.pt", "config.json"}


@pytest.mark.parametrize(
    "name", ["../evil/ae.pt", "a/../../evil/ae.pt", "/evil/ae.pt", "..\\evil\\ae.pt", "C:\\evil\\ae.pt"]
)
def test_nothing_leaves_the_folder(tmp_path, home, name):
    path = release(tmp_path / "hub", {name: checkpoint()})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BadFile, match="leads outside the archive"):
        zipped.unpacked(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_is_refused(tmp_path):
    path = release(tmp_path / "hub")
    link = zipfile.ZipInfo("dictionaries/ae.pt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadFile, match="leads outside the archive"):
        zipped.unpacked(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_zip_is_named_and_leaves_nothing(tmp_path, home, share):
    path = release(tmp_path / "hub")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(BadFile, match="cannot be unpacked"):
        read_dictionaries(tmp_path / "hub")
    assert not home.exists()


def test_damage_in_the_middle_leaves_nothing(tmp_path, home):
    """The last member's checksum fails when the others are out already."""
    path = release(tmp_path / "hub")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        last = [item for item in archive.infolist() if item.filename.endswith("ae.pt")][-1]
    content[last.header_offset + 200] ^= 255
    path.write_bytes(bytes(content))
    with pytest.raises(BadFile, match="cannot be unpacked"):
        zipped.unpacked(path)
    assert [file for file in home.rglob("*") if file.is_file()] == []
    assert list((home / "cache" / "unpacked").iterdir()) == []


def test_a_disk_without_room_is_named_before(tmp_path, monkeypatch, home):
    path = release(tmp_path / "hub")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    with pytest.raises(OutOfSpace, match="GiB") as error:
        zipped.unpacked(path)
    assert "CIRCUITSCOPE_HOME" in error.value.mend
    assert list((home / "cache" / "unpacked").iterdir()) == []


def test_a_tree_beside_the_zip_wins(tmp_path):
    release(tmp_path / "hub")
    (tmp_path / "hub" / "mlp_3").mkdir()
    (tmp_path / "hub" / "mlp_3" / "ae.pt").write_bytes(checkpoint())
    assert list(read_dictionaries(tmp_path / "hub")) == [Site("mlp", 3)]


def test_two_zips_are_not_guessed_between(tmp_path):
    path = release(tmp_path / "hub")
    shutil.copy(path, tmp_path / "hub" / "other.zip")
    with pytest.raises(BadFile, match="no dictionaries in a known format") as error:
        read_dictionaries(tmp_path / "hub")
    assert "one zip" in error.value.expected


def test_the_cache_is_the_users_without_a_home(monkeypatch, tmp_path):
    monkeypatch.delenv("CIRCUITSCOPE_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert zipped.cache_folder() == tmp_path / "cache" / "circuitscope"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert zipped.cache_folder() == tmp_path / ".cache" / "circuitscope"
    assert os.environ["HOME"] == str(tmp_path)
