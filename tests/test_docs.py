"""The documentation cannot rot: what it names exists, what it quotes is said, what it shows runs."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import runpy
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from toys import toy_hf
from transformers import AutoModelForCausalLM, Olmo2Config, PreTrainedTokenizerFast

import circuitscope as cs
from circuitscope import config
from circuitscope.dictionaries import neuron_dictionaries
from circuitscope.model import family
from circuitscope.results import explained_by_edges

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
SNIPPETS = DOCS / "snippets"


def text_of(*names: str) -> str:
    return "\n".join((DOCS / name).read_text(encoding="utf-8") for name in names)


def on_every_page(pattern: str) -> Iterator[tuple[str, str]]:
    """What a pattern finds in each page, with the page's name."""
    for page in PAGES:
        yield from ((page.name, item) for item in re.findall(pattern, page.read_text(encoding="utf-8")))


def listed(items: Iterable[object]) -> str:
    """Every offender on a line, since pytest shortens long lists."""
    return "\n" + "\n".join(sorted({str(item) for item in items}))


def everything() -> str:
    """All pages with the snippets that they show."""
    files = [*PAGES, *SNIPPETS.glob("*.py")]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


# -- the command line ----------------------------------------------------------------------------------


def test_the_command_line_page_is_what_the_program_says():
    generator = runpy.run_path(str(DOCS / "generate_cli.py"))
    assert text_of("cli.md") == generator["page"](), "run: python docs/generate_cli.py"


def test_the_page_of_formats_is_what_the_program_supports():
    generator = runpy.run_path(str(DOCS / "generate_formats.py"))
    assert text_of("formats.md") == generator["page"](), "run: python docs/generate_formats.py"


def test_the_tables_of_approximation_are_what_was_measured():
    generator = runpy.run_path(str(DOCS / "generate_approximation.py"))
    assert text_of("approximation.md") == generator["page"](), "run: python docs/generate_approximation.py"


def test_the_schemas_are_those_of_the_results():
    generator = runpy.run_path(str(DOCS / "generate_schemas.py"))
    there = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "schemas").iterdir()}
    assert there == generator["schemas"](), "run: python docs/generate_schemas.py"
    assert {f"schemas/{name}" for name in there} == set(
        re.findall(r"\((schemas/.*?)\)", text_of("schemas.md"))
    )


def test_every_command_that_is_shown_exists():
    verbs = set(re.findall(r"^## ([a-z-]+)$", text_of("cli.md"), re.MULTILINE)) - {"circuitscope"}
    code = "\n".join(re.findall(r"^```sh$.*?^```$|`[^`\n]+`", everything(), re.MULTILINE | re.DOTALL))
    shown = set(re.findall(r"(?:^|`)circuitscope ([a-z][a-z-]*)", code, re.MULTILINE))
    assert shown
    assert shown <= verbs
    for group in ("shift", "behaviours"):
        inner = set(re.findall(rf"^### {group} ([a-z-]+)$", text_of("cli.md"), re.MULTILINE))
        named = set(re.findall(rf"(?:^|`)circuitscope {group} ([a-z][a-z-]*)", code, re.MULTILINE))
        assert named
        assert named <= inner, group


def test_every_option_that_is_named_exists():
    known = set(re.findall(r"`(--[a-z0-9-]+)|(?<= / )`(--[a-z0-9-]+)`", text_of("cli.md")))
    known = {word for pair in known for word in pair if word}
    others = r"ray start [^`\n]*|python -m benchmarks\.[^`\n]*|"  # programs with options of their own
    named = on_every_page(others + r"(?<![\w-])--[a-z][a-z0-9-]*")
    wrong = {pair for pair in named if pair[1].startswith("--") and pair[1] not in known}
    assert not wrong, listed(wrong)


CONFIGS = [item for item in vars(config).values() if isinstance(item, type) and is_dataclass(item)]


def test_every_setting_has_a_sentence():
    sentences = {
        f"{kind.__name__}.{item.name}": item.metadata["help"] for kind in CONFIGS for item in fields(kind)
    }
    assert len(sentences) > 100
    wrong = [name for name, text in sentences.items() if not (text[:1].isupper() and text.endswith("."))]
    assert not wrong, listed(wrong)


# -- functions, tests and names ------------------------------------------------------------------------


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_is_named_exists():
    named = list(on_every_page(r"(tests/[\w/]+\.py::\w+)"))
    for name in ("equations.md", "differences.md"):
        assert sum(page == name for page, _ in named) > 20, f"{name} shows what it says by tests"
    wrong = [(page, test) for page, test in named if not is_test(*test.split("::"))]
    assert not wrong, listed(wrong)


def is_test(path: str, name: str) -> bool:
    return (ROOT / path).is_file() and name in names_in(path)


def test_every_function_that_is_named_exists():
    wrong = [pair for pair in on_every_page(r"`(circuitscope(?:\.\w+)+)`") if not found(pair[1])]
    assert not wrong, listed(wrong)


def test_every_path_that_is_named_exists():
    paths = on_every_page(r"`((?:src|docs|tests|examples|benchmarks)/[\w/.-]*)`")
    wrong = [pair for pair in paths if not (ROOT / pair[1]).exists()]
    assert not wrong, listed(wrong)


def found(name: str) -> bool:
    """Whether a dotted name is a module, or something inside one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if importlib.util.find_spec(parts[0]) and _is_module(module):
            item = importlib.import_module(module)
            for part in parts[length:]:
                if not hasattr(item, part):
                    return False
                item = getattr(item, part)
            return True
    return False


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_every_public_name_is_mentioned():
    text = everything()
    silent = [name for name in cs.__all__ if name != "__version__" and not re.search(rf"\b{name}\b", text)]
    assert not silent, f"no page mentions {listed(silent)}"


def test_every_public_name_that_is_mentioned_exists():
    mentioned = set(re.findall(r"\bcs\.(\w+)", everything()))
    assert len(mentioned) > 10
    assert mentioned <= set(cs.__all__)


# -- errors ----------------------------------------------------------------------------------------------


@cache
def said() -> str:
    """Every text in the source, one per line; what is filled in is left out."""
    texts = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def messages() -> list[str]:
    """The symptoms that the page on errors lists."""
    return [
        line.split("`")[1]
        for line in text_of("errors.md").splitlines()
        if line.startswith("| `") and "…" in line
    ]


def test_every_message_is_one_that_the_program_says():
    assert len(messages()) > 50
    parts = [(message, part.strip(" (,):/")) for message in messages() for part in message.split("…")]
    unsaid = [(message, part) for message, part in parts if part not in said()]
    assert not unsaid, listed(unsaid)


def is_error(item: object) -> bool:
    return isinstance(item, type) and issubclass(item, cs.CircuitscopeError)


def test_every_class_of_error_has_its_line():
    errors = importlib.import_module("circuitscope.errors")
    names = [name for name, item in vars(errors).items() if is_error(item)]
    assert len(names) > 5
    missing = [name for name in names if f"`{name}`" not in text_of("errors.md")]
    assert not missing, listed(missing)


# -- links and words ---------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The ids that headings get: lower case, letters, digits and hyphens."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text(encoding="utf-8")), re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings]
    return {re.sub(r"[-\s]+", "-", heading) for heading in plain}


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def test_internal_links_resolve():
    links = [pair for pair in on_every_page(r"\]\(([^)]+)\)") if not pair[1].startswith("https://")]
    assert len(links) > 20
    broken = [pair for pair in links if not resolves(*pair)]
    assert not broken, listed(broken)


def resolves(page: str, target: str) -> bool:
    name, _, anchor = target.partition("#")
    other = DOCS / (name or page)
    return other.is_file() and (not anchor or anchor in anchors(other))


def test_every_page_is_in_the_navigation():
    listed = re.findall(r": (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == [page.name for page in PAGES]


def glossary_words() -> list[str]:
    """The words that the glossary explains; a line may explain several."""
    lines = [line for line in text_of("glossary.md").splitlines() if line.startswith("| ")]
    cells = [line.split(" | ")[0].removeprefix("| ") for line in lines if not line.startswith("| word")]
    return [word for cell in cells for word in cell.split(", ")]


def test_every_word_of_the_glossary_is_used():
    words = glossary_words()
    assert len(words) > 40
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES if page.name != "glossary.md")
    unused = [word for word in words if not re.search(rf"(?<!\w){re.escape(word)}", pages, re.IGNORECASE)]
    assert not unused, f"no page uses {listed(unused)}"


def test_no_page_names_a_place_on_a_disk():
    found = list(on_every_page(r"(?<![\w.])/(?:home|root|work|tmp|usr|mnt|data)/\S*"))
    assert not found, listed(found)


def test_nothing_is_fetched_when_a_page_is_read():
    """Pictures that come with the pages are read from beside them."""
    tags = list(on_every_page(r"<(?:script|img|link)"))
    assert not tags, listed(tags)
    pictures = on_every_page(r"!\[[^\]]*\]\(([^)]*)\)")
    missing = [pair for pair in pictures if not (DOCS / pair[1]).is_file()]
    assert not missing, listed(missing)


# -- what is shown runs --------------------------------------------------------------------------------------


WORDS = ("<s>", "The", "cat", "cats", "dog", "dogs", "is", "are", "has", "have")


def tokenizer() -> PreTrainedTokenizerFast:
    inner = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<s>"))
    inner.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>")


def pairs() -> list[dict[str, str]]:
    found = []
    for noun in ("cat", "dog"):
        for one, many in (("is", "are"), ("has", "have")):
            sides = ((f"The {noun}", f" {one}"), (f"The {noun}s", f" {many}"))
            for (clean, clean_answer), (patch, patch_answer) in (sides, sides[::-1]):
                found.append(
                    {
                        "clean_prefix": clean,
                        "clean_answer": clean_answer,
                        "patch_prefix": patch,
                        "patch_answer": patch_answer,
                    }
                )
    return found


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """An empty folder to run in, where every model and task is a small one."""
    monkeypatch.chdir(tmp_path)
    model = cs.load_model(toy_hf("llama"), device="cpu", tokenizer=tokenizer())
    task = cs.load_task([*pairs()], model)
    monkeypatch.setattr("circuitscope.model.load_model", lambda source: model)
    monkeypatch.setattr("circuitscope.dictionaries.load_dictionaries", lambda *_: neuron_dictionaries(model))
    monkeypatch.setattr("circuitscope.tasks.load_task", lambda *_: task)
    module = importlib.import_module("circuitscope.discovery.discover")
    monkeypatch.setattr(module, "load_task", lambda *_: task)
    monkeypatch.setattr(family, "_registry", dict(family._registry))
    return tmp_path


def run_snippet(name: str) -> dict[str, object]:
    return runpy.run_path(str(SNIPPETS / name))


def test_every_snippet_is_shown():
    shown = text_of(*(page.name for page in PAGES))
    for path in SNIPPETS.glob("*.py"):
        sections = re.findall(r"--8<-- \[start:(\w+)\]", path.read_text(encoding="utf-8"))
        for part in [f"{path.name}:{section}" for section in sections] or [path.name]:
            assert f'--8<-- "{part}"' in shown, part


def test_no_page_has_python_of_its_own():
    """Python is shown from files, which are checked and run."""
    blocks = re.findall(r"^``` ?\{?\.?py\w*\}?\n(.*?)^```$", everything(), re.MULTILINE | re.DOTALL)
    assert blocks
    for block in blocks:
        assert re.fullmatch(r'--8<-- "\w+\.py(?::\w+)?"\n', block), block


def test_the_tutorial_runs_and_says_what_is_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = run_snippet("tutorial.py")
    page = re.sub(r"\s+", " ", text_of("tutorial.md").replace("**", ""))
    for node, effect in re.findall(r"\| `([\w/@]+)` \| ([\d.]+) \|", page):
        assert made["effects"][node] == pytest.approx(float(effect), abs=0.06), node
    assert f"`faithfulness` is {made['faithfulness']:.2f}:" in page
    assert f"`completeness` is {made['completeness']:.2f}:".replace("-", "−") in page
    assert f'"{made["plain"]}"' in page
    assert f'"{made["changed"]}"' in page
    plurals, singulars = made["most_active"]
    assert all(word.endswith("s") for word in plurals)
    assert not any(word.endswith("s") for word in singulars)
    assert {"farmers", "players"} <= set(plurals)
    assert {"daughter", "sailor"} <= set(singulars)
    assert (tmp_path / "across_rc.png").stat().st_size > 1000
    ways, routes, strongest = made["ways"], made["routes"], made["strongest"]
    assert (
        f"The four strongest *routes* have {sum(share for share, _ in routes):.0%}".replace("%", " %") in page
    )
    assert str(strongest) in page
    assert f"Its own share is only {100 * strongest.share:.2g} %" in page
    explained = explained_by_edges(made["circuit"])
    assert f"together carry {100 * ways.carried:.0f} %, and its edges explain {100 * explained:.0f} %" in page
    readme = re.sub(r"\s+", " ", (ROOT / "README.md").read_text("utf-8"))
    for share, route in routes[:3]:
        assert f"{100 * share:.0f} % {route}" in readme
    assert str(strongest) in readme
    assert (
        f"carry {100 * ways.carried:.0f} % of the effect, and its edges explain {100 * explained:.0f} %"
        in readme
    )


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    made: dict[str, object] = {}
    exec(code, made)
    assert made["circuit"].evaluation is None
    assert made["scores"].scores[0].faithfulness.value > 0.9
    said = made["model"].tokenizer.decode(made["ids"][0], skip_special_tokens=True)
    assert re.match(r"The captains that the nurse likes (is|was|has|does|goes) ", said), (
        "the plural is still there"
    )


def test_the_three_lines_run(stage):
    assert len(run_snippet("use.py")["circuit"]) == 100


def test_the_steps_run(stage):
    made = run_snippet("evaluate.py")
    assert len(made["faithfulness"]) in (1, 2)
    assert (stage / "he_she.png").stat().st_size > 1000
    assert len(made["shared"]) == 10


def test_groups_run(stage):
    made = run_snippet("group.py")
    assert sum(made["sums"].values()) == pytest.approx(made["circuit"].nodes.effect.sum())
    assert sum(map(len, made["members"].values())) == 40
    assert (stage / "groups.png").stat().st_size > 1000


def test_interventions_run_and_do_what_is_said():
    made = run_snippet("interventions.py")
    table = re.findall(r"^\| `(\w+)`: [^|]+ \| (−?[\d.]+) \|$", text_of("start.md"), re.MULTILINE)
    assert len(table) == 5
    for name, value in table:
        assert made[name] == pytest.approx(float(value.replace("−", "-")), abs=0.06), name
    assert made["text"].endswith("likes is beside the plates")


def test_shift_in_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = run_snippet("shift.py")
    assert 0 < sum(map(len, made["struck"].values())) < 20
    assert made["retrained"].unintended < made["before"].unintended


def test_finding_behaviours_in_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = run_snippet("behaviours.py")
    assert len(made["contexts"]) == 300
    assert made["contexts"].losses.max() < 0.1
    assert made["vectors"].shape[0] == 300
    assert made["closest"][0] == 0
    assert 3 < len(made["clusters"]) < 100
    assert made["said"][:2] == (made["largest"].name, len(made["largest"].members))


def test_effects_by_hand_run(stage):
    made = run_snippet("effects.py")
    assert {"embed", "attn_0", "mlp_0", "resid_0"} & set(made["upstream"])


def test_a_metric_of_ones_own_runs(stage):
    made = run_snippet("metric.py")
    assert made["circuit"].info["metric"] == "margin"
    assert made["result"].metric == "margin"


def test_a_dictionary_of_ones_own_runs(stage):
    (stage / "my-dictionaries").mkdir()
    shapes = {"W_enc": (16, 24), "b_enc": (24,), "W_dec": (24, 16), "b_dec": (16,), "threshold": (24,)}
    weights = {name: torch.rand(shape) for name, shape in shapes.items()}
    save_file(weights, stage / "my-dictionaries" / "resid_1.safetensors")
    run_snippet("dictionary.py")
    from circuitscope.dictionaries.readers import read_dictionaries

    (read,) = read_dictionaries(stage / "dictionaries").values()
    assert (read.kind, read.n_features, read.width) == ("jumprelu", 24, 16)


def test_a_family_of_ones_own_loads(stage, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(family, "_registry", dict(family._registry))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    settings = Olmo2Config(vocab_size=11, max_position_embeddings=16, initializer_range=0.4, **sizes)
    hf = AutoModelForCausalLM.from_config(settings, attn_implementation="eager")
    with pytest.raises(cs.CircuitscopeError, match="olmo2"):
        cs.load_model(hf, device="cpu")
    run_snippet("family.py")
    model = cs.load_model(hf, device="cpu")
    assert model.family.name == "OLMo-2"
    assert neuron_dictionaries(model, tensor=None).taps(model)


def test_the_site_builds(tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    start = (tmp_path / "site" / "start" / "index.html").read_text(encoding="utf-8")
    assert "cs.evaluate" in re.sub(r"<[^>]+>", "", start)
    assert "fonts.googleapis" not in start


def test_first_steps_says_which_options_are_required():
    required = [item.name for item in fields(config.DiscoverConfig) if item.metadata.get("required")]
    assert required == ["out"]  # a task is needed if there is no prompt: see test_cli_prompt.py
    assert "Only `--task` (or `--prompt`) and `--out` are required" in text_of("start.md")


def test_every_verb_is_in_the_table_of_the_first_page():
    verbs = set(re.findall(r"^## ([a-z-]+)$", text_of("cli.md"), re.MULTILINE)) - {"circuitscope"}
    assert verbs == set(re.findall(r"^\| `circuitscope ([a-z-]+)` \|", text_of("index.md"), re.MULTILINE))
