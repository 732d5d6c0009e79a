"""The README's commands for published models, word for word, on small random files of the exact layout.

The files lie in a HuggingFace cache as downloads leave them, and the commands run in a process that has no network.
Weights are random: the numbers mean nothing, the way to them is the real one.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from hub_cache import offline, put, snapshot
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GPTNeoXConfig,
    PreTrainedTokenizerFast,
)

from circuitscope.tasks.agreement.words import PEOPLE, PREPOSITIONS, RELATIVE_VERBS, THINGS, VERBS

README = Path(__file__).resolve().parents[3] / "README.md"
WIDTH, FEATURES = 32, 48
GEMMA_HEADS, GEMMA_HEAD_WIDTH = 4, 12


def commands(model: str, verb: str = "discover") -> list[list[str]]:
    """The README's commands about a model, as lists of words."""
    text = README.read_text(encoding="utf-8").replace("\\\n", " ")
    found = [
        line
        for line in re.findall(rf"^circuitscope {verb} .*$", text, re.MULTILINE)
        if f"--model {model} " in line
    ]
    return [shlex.split(line, comments=True) for line in found]


PROGRAM = """
import contextlib, io, json, sys
from circuitscope.cli import main
said = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["circuitscope", *words]
    with contextlib.redirect_stdout(io.StringIO()) as answer:
        try:
            main()
        except SystemExit as stop:
            if stop.code:
                sys.exit(stop.code)
    said.append(answer.getvalue())
print(json.dumps(said))
"""


def run(commands: list[list[str]], folder: Path, hub: Path) -> list[str]:
    """What each of several commands says; one process for all, since it takes seconds to load torch."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)], cwd=folder, env=offline(hub),
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said: list[str] = json.loads(done.stdout)
    return said


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) / shape[-1] ** 0.5


# -- Pythia --------------------------------------------------------------------------------------------------


def pythia(hub: Path, shared: Path) -> None:
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=50304, hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=6,
        num_attention_heads=4, rotary_pct=0.25, max_position_embeddings=64, use_parallel_residual=True,
        initializer_range=0.3,
    )  # fmt: skip
    place = snapshot(hub, "EleutherAI/pythia-70m-deduped")
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        model.get_output_embeddings().weight *= 10  # so that effects pass the published threshold
    model.save_pretrained(place)
    inner = Tokenizer.from_file(str(shared / "tokenizers" / "gpt_neox" / "tokenizer.json"))
    PreTrainedTokenizerFast(
        tokenizer_object=inner,
        bos_token="<|endoftext|>",
        eos_token="<|endoftext|>",
        unk_token="<|endoftext|>",
    ).save_pretrained(place)


def pythia_dictionaries(folder: Path) -> Path:
    """The published tree: a folder per site, in it the run, in it the state of an AutoEncoder."""
    root = folder / "dictionaries" / "pythia-70m-deduped"
    names = ["embed", *(f"{kind}_out_layer{n}" for n in range(6) for kind in ("attn", "mlp", "resid"))]
    for seed, name in enumerate(names):
        decoder = torch.nn.functional.normalize(random(WIDTH, FEATURES, seed=seed), dim=0)
        state = {
            "bias": 0.1 * random(WIDTH, seed=seed + 50),
            "encoder.weight": decoder.T.contiguous(),
            "encoder.bias": torch.zeros(FEATURES),
            "decoder.weight": decoder,
        }
        (root / name / "10_32768").mkdir(parents=True)
        torch.save(state, root / name / "10_32768" / "ae.pt")
    return root


def pythia_release(hub: Path, folder: Path) -> None:
    """The release is one zip in a hub repository."""
    root = pythia_dictionaries(folder)
    with zipfile.ZipFile(
        snapshot(hub, "saprmarks/pythia-70m-deduped-saes") / "dictionaries.zip", "w"
    ) as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, file.relative_to(folder))


def try_commands(model: str, folder: Path, hub: Path, sites: int) -> None:
    """Every command of the README about a model discovers a circuit that shows and evaluates."""
    asked = commands(model)
    assert asked, f"the README has no command for {model}"
    steps = []
    for words in asked:
        out = words[words.index("--out") + 1]
        steps += [words[1:], ["show", out, "--json"], ["evaluate", out, "--examples", "8"]]
    said = run(steps, folder, hub)
    for answer in said[1::3]:
        shown = json.loads(answer)
        assert len(shown["sites"]) == sites
        assert shown["nodes"]
        assert shown["edges"]
    assert len(said) == 3 * len(asked)
    assert all("faithfulness" in answer for answer in said[2::3])


@pytest.fixture(scope="module")
def pythia_hub(shared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pythia")
    pythia(folder / "hub", shared)
    pythia_release(folder / "hub", folder / "made")
    return folder / "hub"


def test_pythia_with_its_published_dictionaries(tmp_path, pythia_hub):
    try_commands("EleutherAI/pythia-70m-deduped", tmp_path, pythia_hub, sites=19)


def test_the_readmes_classifier_on_bias_in_bios_from_the_hub(tmp_path, pythia_hub):
    """Invented texts in the layout of the data set's repository, found by its id as a download leaves it."""
    work = {21: "teaches algebra at a university", 13: "cares for patients at a clinic"}
    rows = [
        {"hard_text": f"{name} {work[job]} since {year}.", "profession": job, "gender": gender}
        for job in work
        for gender, name in enumerate(("He", "She"))
        for year in range(2000, 2012)
    ]
    data = snapshot(pythia_hub, "LabHC/bias_in_bios", kind="datasets") / "data"
    data.mkdir()
    for split in ("train", "test"):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), data / f"{split}-00000-of-00001.parquet")
    (words,) = commands("EleutherAI/pythia-70m-deduped", "shift train")
    (said,) = run([words[1:]], tmp_path, pythia_hub)
    assert "a classifier at resid_4" in said
    made = json.loads((tmp_path / words[3] / "manifest.json").read_text())
    assert made["config"]["data"] == "LabHC/bias_in_bios"


# -- Gemma ---------------------------------------------------------------------------------------------------


def gemma(hub: Path, repository: str = "google/gemma-2-2b", kind: type = Gemma2Config) -> None:
    torch.manual_seed(0)
    forms = [form for group in (PEOPLE, THINGS, VERBS, RELATIVE_VERBS) for pair in group for form in pair]
    words = list(dict.fromkeys(["<bos>", "The", "the", "that", *PREPOSITIONS, *forms]))
    inner = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<bos>"))
    inner.pre_tokenizer = WhitespaceSplit()
    config = kind(
        vocab_size=len(words), hidden_size=WIDTH, intermediate_size=64, num_hidden_layers=3,
        num_attention_heads=GEMMA_HEADS, num_key_value_heads=2, head_dim=GEMMA_HEAD_WIDTH, initializer_range=0.3,
        query_pre_attn_scalar=GEMMA_HEAD_WIDTH, sliding_window=16, max_position_embeddings=64, bos_token_id=0,
    )  # fmt: skip
    place = snapshot(hub, repository)
    AutoModelForCausalLM.from_config(config).save_pretrained(place)
    PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<bos>", unk_token="<bos>").save_pretrained(
        place
    )


def gemma_scope(hub: Path, folder: Path) -> None:
    """The published trees: a repository per kind of site, several L0 of each layer."""
    widths = {"res": WIDTH, "mlp": WIDTH, "att": GEMMA_HEADS * GEMMA_HEAD_WIDTH}
    for kind, width in widths.items():
        for layer in range(3):
            for l0 in (22, 90, 240):
                place = folder / kind / f"layer_{layer}" / "width_16k" / f"average_l0_{l0}"
                place.mkdir(parents=True)
                w_dec = torch.nn.functional.normalize(random(FEATURES, width, seed=layer), dim=1)
                np.savez(
                    place / "params.npz", W_enc=w_dec.T.numpy(), W_dec=w_dec.numpy(),
                    b_enc=np.zeros(FEATURES, np.float32), b_dec=0.01 * random(width).numpy(),
                    threshold=np.full(FEATURES, l0 / 1000, np.float32),
                )  # fmt: skip
        put(hub, f"google/gemma-scope-2b-pt-{kind}", folder / kind)


@pytest.fixture(scope="module")
def gemma_hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gemma")
    gemma(folder / "hub")
    gemma_scope(folder / "hub", folder / "made")
    return folder / "hub"


def test_gemma_with_gemma_scope(tmp_path, gemma_hub):
    try_commands("google/gemma-2-2b", tmp_path, gemma_hub, sites=9)


def gemma_scope_2(hub: Path, folder: Path) -> None:
    """The published tree of one repository: kinds, widths and l0, configs that are missing, and transcoders."""
    widths = {
        "resid_post": WIDTH,
        "mlp_out": WIDTH,
        "attn_out": GEMMA_HEADS * GEMMA_HEAD_WIDTH,
        "transcoder": WIDTH,
    }
    hooks = {
        "resid_post": "output", "mlp_out": "post_feedforward_layernorm.output", "attn_out": "self_attn.o_proj.input",
        "transcoder": "pre_feedforward_layernorm.output",
    }  # fmt: skip
    leaves = [
        (f"{kind}_all/layer_{layer}_width_{width}_l0_{size}", kind, layer)
        for kind in widths for layer in range(3) for width in ("16k", "262k") for size in ("small", "big")
    ]  # fmt: skip
    leaves.append(("resid_post/layer_1_width_65k_l0_medium", "resid_post", 1))
    for number, (name, kind, layer) in enumerate(leaves):
        place = folder / name
        place.mkdir(parents=True)
        w_dec = torch.nn.functional.normalize(random(FEATURES, widths[kind], seed=number), dim=1)
        save_file(
            {
                "w_enc": w_dec.T.contiguous(), "w_dec": w_dec, "b_enc": torch.zeros(FEATURES),
                "b_dec": 0.01 * random(widths[kind]), "threshold": torch.full((FEATURES,), 0.02),
            },
            place / "params.safetensors",
        )  # fmt: skip
        if number % 5:  # some lack it
            hook = f"model.layers.{layer}.{hooks[kind]}"
            out = f"model.layers.{layer}.post_feedforward_layernorm.output" if kind == "transcoder" else hook
            config = {
                "architecture": "jump_relu",
                "model_name": "google/gemma-3-270m",
                "hf_hook_point_in": hook,
            }
            config |= {"hf_hook_point_out": out, "affine_connection": False, "width": FEATURES, "l0": 20}
            (place / "config.json").write_text(json.dumps(config))
    put(hub, "google/gemma-scope-2-270m-pt", folder)


def test_gemma_3_with_gemma_scope_2(tmp_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gemma3")
    gemma(folder / "hub", "google/gemma-3-270m", Gemma3TextConfig)
    gemma_scope_2(folder / "hub", folder / "made")
    try_commands("google/gemma-3-270m", tmp_path, folder / "hub", sites=9)


def test_half_precision_runs_to_the_end(tmp_path, gemma_hub):
    (words, *_) = commands("google/gemma-2-2b")
    out = words.index("--out")
    given = [
        word for word in [*words[1:out], *words[out + 2 :]] if word not in ("float32", "bfloat16", "--dtype")
    ]
    steps = []
    for dtype in ("bfloat16", "float16"):
        steps += [
            [*given, "--dtype", dtype, "--examples", "8", "--out", dtype],
            ["evaluate", dtype, "--examples", "8"],
        ]
    said = run(steps, tmp_path, gemma_hub)
    for dtype, answer in zip(("bfloat16", "float16"), said[1::2], strict=True):
        assert "faithfulness" in answer, dtype
