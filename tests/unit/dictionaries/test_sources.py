"""What a user may name as dictionaries: folders, hub ids, parts of them, several, and YAML files."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import torch
from toys import toy_dictionaries, toy_model

from circuitscope.config import DiscoverConfig
from circuitscope.dictionaries import hub, load_dictionaries, write_dictionaries
from circuitscope.dictionaries.readers import read_dictionaries
from circuitscope.dictionaries.source import Part, parts, portable_source
from circuitscope.dictionaries.training.saelens_folder import write_saelens
from circuitscope.errors import BadDictionary, BadFile, BadInput
from circuitscope.pipeline import missing_downloads
from circuitscope.terms import Site

FEATURES = 12


@pytest.fixture(scope="module")
def model():
    return toy_model("gemma2")


def checkpoint(width: int, seed: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return {
        "bias": torch.randn(width),
        "encoder.weight": torch.randn(FEATURES, width),
        "encoder.bias": torch.randn(FEATURES),
        "decoder.weight": torch.randn(width, FEATURES),
    }


def put_checkpoint(folder: Path, width: int = 16, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    torch.save(checkpoint(width, seed), folder / "ae.pt")
    return folder


def put_scope(folder: Path, width: int, seed: int = 0) -> None:
    draw = np.random.default_rng(seed).standard_normal
    folder.mkdir(parents=True)
    np.savez(
        folder / "params.npz", W_enc=draw((width, FEATURES)), W_dec=draw((FEATURES, width)), b_enc=draw(FEATURES),
        b_dec=draw(width), threshold=np.abs(draw(FEATURES)),
    )  # fmt: skip


def names(found: Iterable[Site]) -> list[str]:
    return [str(site) for site in found]


# -- taking a source apart -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("here", [Part("here")]),
        ("here:in/side", [Part("here", "in/side")]),
        ("here, owner/name ,other", [Part("here"), Part("owner/name"), Part("other")]),
        ("owner/name:layer_3/width_16k/", [Part("owner/name", "layer_3/width_16k")]),
        ("identity", [Part("identity")]),
        ("identity:mlp-hidden", [Part("identity:mlp-hidden")]),
        ("bundled", [Part("bundled")]),
        ("here,identity:mlp-hidden", [Part("here"), Part("identity:mlp-hidden")]),
    ],
)
def test_a_source_is_its_entries(source, wanted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("here", "other"):
        (tmp_path / name).mkdir()
    assert parts(source) == wanted


@pytest.mark.parametrize(
    ("place", "on_hub"),
    [
        ("owner/name", True),
        ("./owner/name", False),
        ("/owner/name", False),
        ("~/name", False),
        ("name", False),
        ("a/b/c", False),
        ("there/it-is", False),
        ("identity", False),
        ("bundled", False),
    ],
)
def test_what_is_a_hub_id(place, on_hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there" / "it-is").mkdir(parents=True)
    (part,) = parts(place)
    assert part.on_hub is on_hub


def test_a_path_with_a_comma_or_a_colon_that_is_there_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a,b", "c:d"):
        (tmp_path / name).mkdir()
        assert parts(name) == [Part(name)]


@pytest.mark.parametrize("source", ["a,,b", ",a", "a,", "", "owner/name:../secret", "owner/name:/etc"])
def test_a_source_that_makes_no_sense_is_named(source):
    with pytest.raises(BadInput) as error:
        parts(source)
    assert repr(source) in error.value.got


def test_a_portable_source_is_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "bundled").mkdir()  # the word wins
    source = "here, here:inside, owner/name:layer_3, identity:mlp-hidden, bundled"
    here = (tmp_path / "here").resolve()
    full = portable_source(source)
    assert full == f"{here},{here}:inside,owner/name:layer_3,identity:mlp-hidden,bundled"
    monkeypatch.chdir("/")
    assert portable_source(full) == full
    assert parts(full)[:2] == [Part(str(here)), Part(str(here), "inside")]


# -- files, folders inside, and which format -------------------------------------------------------------


def test_a_weight_file_can_be_named_itself(tmp_path, model):
    put_checkpoint(tmp_path / "resid_1")
    assert names(load_dictionaries(tmp_path / "resid_1" / "ae.pt", model)) == ["resid_1"]


def test_a_folder_inside_can_be_named(tmp_path, model):
    for run in ("a", "b"):
        put_checkpoint(tmp_path / run / "resid_1")
    with pytest.raises(BadFile, match="two dictionaries for resid_1"):
        load_dictionaries(tmp_path, model)
    assert names(load_dictionaries(f"{tmp_path}:b", model)) == ["resid_1"]


def test_our_own_folder_wins_over_its_copy_for_saelens(tmp_path, model):
    wanted = toy_dictionaries(model, "jumprelu")
    write_dictionaries(wanted, tmp_path / "own")
    write_saelens(wanted, model, tmp_path / "own" / "saelens", context_size=8)
    assert (
        load_dictionaries(tmp_path / "own", model).content_hash
        == read_dictionaries(tmp_path / "own").content_hash
    )
    copy = load_dictionaries(tmp_path / "own" / "saelens", model)
    assert copy.content_hash != read_dictionaries(tmp_path / "own").content_hash
    x = torch.randn(3, model.width, dtype=torch.float64)
    site = Site("resid", 0)
    torch.testing.assert_close(copy[site].encode(x), wanted[site].encode(x))


def test_two_formats_in_a_folder_are_not_guessed_between(tmp_path, model):
    put_checkpoint(tmp_path / "resid_1")
    write_saelens(toy_dictionaries(model, "relu"), model, tmp_path / "mine", context_size=8)
    with pytest.raises(BadFile, match="several formats: dictionary_learning, SAELens") as error:
        load_dictionaries(tmp_path, model)
    assert "folder inside" in error.value.mend
    assert len(load_dictionaries(tmp_path / "mine", model)) == 7


# -- several sources -------------------------------------------------------------------------------------


def test_several_sources_are_merged(tmp_path, model):
    put_checkpoint(tmp_path / "a" / "resid_1")
    put_checkpoint(tmp_path / "b" / "mlp_0")
    found = load_dictionaries(f"{tmp_path / 'a'},{tmp_path / 'b'}", model)
    assert names(found) == ["mlp_0", "resid_1"]
    assert found.name == "a,b"
    other_order = load_dictionaries(f"{tmp_path / 'b'},{tmp_path / 'a'}", model)
    assert found.content_hash == other_order.content_hash
    alone = load_dictionaries(tmp_path / "a", model)
    assert alone.content_hash != found.content_hash


def test_neurons_can_fill_the_other_sites(tmp_path, model):
    put_checkpoint(tmp_path / "a" / "resid_1")
    found = load_dictionaries(f"{tmp_path / 'a'},identity:mlp-hidden", model)
    assert {str(site): dictionary.kind for site, dictionary in found.items()} == {
        "mlp_0": "identity",
        "resid_1": "relu",
        "mlp_1": "identity",
    }


def test_a_site_in_two_sources_is_refused(tmp_path, model):
    for name in ("a", "b"):
        put_checkpoint(tmp_path / name / "resid_1")
    with pytest.raises(BadDictionary, match="both a and b have a dictionary for resid_1") as error:
        load_dictionaries(f"{tmp_path / 'a'},{tmp_path / 'b'}", model)
    assert "YAML" in error.value.mend


@pytest.mark.parametrize(
    ("said", "wanted"),
    [((True, None), True), ((False, False), False), ((True, False), None), ((None, None), None)],
)
def test_bos_is_what_the_sources_agree_on(tmp_path, model, said, wanted):
    for name, site, bos in zip("ab", ("mlp_0", "mlp_1"), said, strict=True):
        folder = put_checkpoint(tmp_path / name / site)
        if bos is not None:
            (folder / "config.json").write_text(json.dumps({"buffer": {"add_special_tokens": bos}}))
    assert load_dictionaries(f"{tmp_path / 'a'},{tmp_path / 'b'}", model).prepend_bos is wanted


# -- a YAML file -----------------------------------------------------------------------------------------


def test_a_yaml_file_maps_sites_to_anything(tmp_path, model, monkeypatch):
    """Relative to the file; a dictionary that does not say its site is taken for the one that it is mapped to."""
    put_checkpoint(tmp_path / "best")
    put_checkpoint(tmp_path / "tree" / "mlp_0", seed=1)
    put_checkpoint(tmp_path / "tree" / "mlp_1", seed=2)
    put_scope(tmp_path / "scope" / "layer_0" / "width_16k" / "average_l0_82", model.width)
    write_dictionaries(toy_dictionaries(model, "topk"), tmp_path / "own")
    lines = ["embed: best", "mlp_0: ./tree", "mlp_1: tree:mlp_1", "resid_0: scope", "resid_1: own"]
    (tmp_path / "mine.yaml").write_text("\n".join(lines))
    monkeypatch.chdir("/")
    found = load_dictionaries(tmp_path / "mine.yaml", model)
    assert {str(site): dictionary.kind for site, dictionary in found.items()} == {
        "embed": "relu",
        "mlp_0": "relu",
        "resid_0": "jumprelu",
        "mlp_1": "relu",
        "resid_1": "topk",
    }
    assert found.prepend_bos is True  # Gemma Scope says so, the others say nothing


def test_a_dictionary_that_says_another_site_is_not_taken(tmp_path, model):
    put_checkpoint(tmp_path / "mlp_0")
    (tmp_path / "mine.yaml").write_text("mlp_1: mlp_0")
    with pytest.raises(BadFile, match="has 0 dictionaries for mlp_1") as error:
        load_dictionaries(tmp_path / "mine.yaml", model)
    assert "mlp_0" in error.value.mend


def test_a_site_that_our_own_folder_lacks_is_named(tmp_path, model):
    write_dictionaries(toy_dictionaries(model, "relu", [Site("mlp", 0)]), tmp_path / "own")
    (tmp_path / "mine.yaml").write_text("mlp_1: own")
    with pytest.raises(BadFile, match="has no dictionary for mlp_1"):
        load_dictionaries(tmp_path / "mine.yaml", model)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "maps no sites"),
        ("- resid_3", "maps no sites"),
        ("resid_3: [", "cannot be read"),
        ("resid3: a", "no such site: 'resid3'"),
        ("resid_3: 4", "resid_3 is 4"),
        ("resid_3:\n  place: a", "resid_3 is"),
        ("resid_3: identity", "resid_3 is 'identity'"),
    ],
)
def test_a_yaml_file_that_makes_no_sense_is_named(tmp_path, text, says):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(BadFile, match=says) as error:
        parts(str(tmp_path / "mine.yaml"))
    assert "mine.yaml" in error.value.got


# -- the hub ---------------------------------------------------------------------------------------------


class FakeHub:
    """A hub whose repositories are folders, and the cache that downloads fill."""

    def __init__(self, root: Path) -> None:
        self.repositories, self.cache = root / "hub", root / "cache"
        self.network = True
        self.fetched: list[str] = []

    def put(self, repository: str) -> Path:
        return self.repositories / repository

    def model_info(self, repository: str, *, files_metadata: bool) -> SimpleNamespace:
        self._reach(repository)
        root = self.repositories / repository
        files = sorted(path for path in root.rglob("*") if path.is_file())
        return SimpleNamespace(
            siblings=[
                SimpleNamespace(rfilename=str(f.relative_to(root)), size=f.stat().st_size) for f in files
            ]
        )

    def snapshot_download(
        self, repository: str, *, allow_patterns: list[str] | None = None, local_files_only: bool = False
    ) -> str:
        place, root = self.cache / repository, self.repositories / repository
        if local_files_only:
            if not place.is_dir():
                raise FileNotFoundError(repository)
            return str(place)
        self._reach(repository)
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            name = str(path.relative_to(root))
            if allow_patterns is None or any(fnmatch(name, pattern) for pattern in allow_patterns):
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                if not (place / name).exists():
                    self.fetched.append(name)
                shutil.copy(path, place / name)
        return str(place)

    def try_to_load_from_cache(self, repository: str, name: str) -> str | None:
        path = self.cache / repository / name
        return str(path) if path.is_file() else None

    def _reach(self, repository: str) -> None:
        if not self.network or not (self.repositories / repository).is_dir():
            raise OSError(f"no answer for {repository}")


@pytest.fixture
def fake(tmp_path, monkeypatch) -> FakeHub:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIRCUITSCOPE_HOME", str(tmp_path / "home"))
    fake = FakeHub(tmp_path)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake.snapshot_download)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", fake.try_to_load_from_cache)
    return fake


PYTHIA = "saprmarks/pythia-70m-deduped-saes"
SCOPE = {kind: f"google/gemma-scope-2b-pt-{kind}" for kind in ("res", "mlp", "att")}
EVERY_SCOPE = ",".join(SCOPE.values())


def put_pythia(fake: FakeHub) -> None:
    """One zip, as it is published."""
    folder = fake.put(PYTHIA)
    made = folder / "made"
    sites = ["embed", *(f"{kind}_out_layer{layer}" for layer in (0, 1) for kind in ("attn", "mlp", "resid"))]
    for site in sites:
        put_checkpoint(made / "dictionaries" / "pythia-70m-deduped" / site / "10_32768")
    with zipfile.ZipFile(folder / "dictionaries_pythia-70m-deduped_10.zip", "w") as archive:
        for path in sorted(made.rglob("ae.pt")):
            archive.write(path, path.relative_to(made))
    shutil.rmtree(made)
    (folder / ".gitattributes").write_text("*.zip filter=lfs\n")


def put_gemma(fake: FakeHub, model) -> None:
    """Two layers, three L0 and two widths per kind of site; only one of each layer is to be fetched."""
    for kind, repository in SCOPE.items():
        site = {"res": "resid", "mlp": "mlp", "att": "attn"}[kind]
        width = model.tap_width(Site(site, 0), model.tap(Site(site, 0)))
        for layer in (0, 1):
            for below in ("width_16k/average_l0_21", "width_16k/average_l0_97", "width_65k/average_l0_100"):
                put_scope(fake.put(repository) / f"layer_{layer}" / below, width)


def test_the_pythia_release_works_by_its_hub_id(fake):
    put_pythia(fake)
    model = toy_model("neox-parallel")
    found = load_dictionaries(PYTHIA, model)
    assert names(found) == names(model.sites)
    assert found.name == PYTHIA


def test_gemma_scope_fetches_one_dictionary_per_layer(fake, model):
    put_gemma(fake, model)
    found = load_dictionaries(EVERY_SCOPE, model)
    assert names(found) == ["attn_0", "mlp_0", "resid_0", "attn_1", "mlp_1", "resid_1"]
    assert sorted(set(fake.fetched)) == [f"layer_{n}/width_16k/average_l0_97/params.npz" for n in (0, 1)]
    assert found.prepend_bos is True
    assert found.name == EVERY_SCOPE


def test_what_is_in_the_cache_is_not_fetched_again(fake, model):
    put_gemma(fake, model)
    first = load_dictionaries(EVERY_SCOPE, model)
    fake.fetched.clear()
    assert load_dictionaries(EVERY_SCOPE, model).content_hash == first.content_hash
    assert fake.fetched == []


def test_a_folder_inside_a_repository_is_fetched_alone(fake, model):
    put_gemma(fake, model)
    inside = "layer_1/width_65k/average_l0_100"
    assert names(load_dictionaries(f"{SCOPE['res']}:{inside}", model)) == ["resid_1"]
    assert fake.fetched == [f"{inside}/params.npz"]


def test_a_folder_that_a_repository_lacks_is_named(fake, model):
    put_gemma(fake, model)
    with pytest.raises(BadFile, match="has no folder layer_7") as error:
        load_dictionaries(f"{SCOPE['res']}:layer_7", model)
    assert "layer_0, layer_1" in error.value.expected


def test_names_with_brackets_are_not_patterns(fake, model):
    put_checkpoint(fake.put("owner/name") / "[run] 1" / "resid_1")
    assert names(load_dictionaries("owner/name", model)) == ["resid_1"]


def test_a_yaml_file_may_name_repositories(fake, model, tmp_path):
    put_gemma(fake, model)
    (tmp_path / "mine.yaml").write_text(f"resid_1: {SCOPE['res']}:layer_1\nmlp_0: {SCOPE['mlp']}")
    assert names(load_dictionaries("mine.yaml", model)) == ["mlp_0", "resid_1"]


def test_without_a_network_an_earlier_download_is_used(fake, model, caplog):
    put_gemma(fake, model)
    first = load_dictionaries(SCOPE["res"], model)
    fake.network = False
    assert load_dictionaries(SCOPE["res"], model).content_hash == first.content_hash
    assert "using what was downloaded earlier" in caplog.text


@pytest.mark.parametrize("source", ["nobody/nothing", f"{SCOPE['res']}:layer_0"])
def test_what_the_hub_does_not_give_is_named(fake, model, source):
    with pytest.raises(BadFile, match="the hub returned nothing for") as error:
        load_dictionaries(source, model)
    assert "no answer" in error.value.got


def test_transcoders_are_refused_before_a_download(fake, model):
    put_scope(
        fake.put("google/gemma-scope-2b-pt-transcoders") / "layer_0" / "width_16k" / "average_l0_76", 16
    )
    with pytest.raises(BadDictionary, match="is a transcoder"):
        load_dictionaries("google/gemma-scope-2b-pt-transcoders", model)
    (fake.put("mntss/transcoder-set")).mkdir(parents=True)
    (fake.put("mntss/transcoder-set") / "layer_0.safetensors").write_bytes(b"")
    with pytest.raises(BadDictionary, match="is a transcoder"):
        load_dictionaries("mntss/transcoder-set", model)
    assert fake.fetched == []


# -- what would be downloaded ----------------------------------------------------------------------------


def asked(dictionaries: str) -> dict[str, int | None]:
    return missing_downloads(
        DiscoverConfig(model=".", dictionaries=dictionaries, task="agreement/simple", out="out")
    )


def test_the_estimate_counts_only_the_files_that_are_read(fake, model):
    put_gemma(fake, model)
    sizes = {}
    for repository in SCOPE.values():
        chosen = [fake.put(repository) / f"layer_{n}/width_16k/average_l0_97/params.npz" for n in (0, 1)]
        sizes[repository] = sum(path.stat().st_size for path in chosen)
    assert asked(EVERY_SCOPE) == sizes
    assert fake.fetched == []
    load_dictionaries(SCOPE["res"], model)
    del sizes[SCOPE["res"]]
    assert asked(EVERY_SCOPE) == sizes
    load_dictionaries(EVERY_SCOPE, model)
    assert asked(EVERY_SCOPE) == {}


def test_the_estimate_knows_folders_inside_and_yaml_files(fake, model, tmp_path):
    put_gemma(fake, model)
    one = f"{SCOPE['mlp']}:layer_1"
    (tmp_path / "mine.yaml").write_text(f"mlp_1: {one}")
    size = (fake.put(SCOPE["mlp"]) / "layer_1/width_16k/average_l0_97/params.npz").stat().st_size
    assert asked(one) == asked("mine.yaml") == {one: size}


def test_the_estimate_of_a_repository_that_does_not_answer_is_unknown(fake, model):
    assert asked("nobody/nothing") == {"nobody/nothing": None}
    put_gemma(fake, model)
    load_dictionaries(SCOPE["res"], model)
    fake.network = False
    assert asked(SCOPE["res"]) == {}


def test_nothing_local_is_downloaded(fake, tmp_path):
    put_checkpoint(tmp_path / "resid_1")
    assert asked("resid_1,identity:mlp-hidden") == {}


def test_a_whole_repository_of_another_format_is_wanted():
    files = ["README.md", "layers.1/cfg.json", "layers.1/sae.safetensors", "layers.2/sae.safetensors"]
    assert hub.choose("owner/name", files) == files
    assert hub.choose("owner/name", files, "layers.1") == files[1:3]


@pytest.mark.parametrize("source", ["identity:mlp", "identity:mlp_hidden", "bundled:resid_3"])
def test_a_word_has_no_folders(source):
    with pytest.raises(BadInput, match="has no folder"):
        parts(source)
