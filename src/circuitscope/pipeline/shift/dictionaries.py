"""SCR and TPP of dictionaries on labelled texts, one residual site after the other."""

from __future__ import annotations

from pathlib import Path

from circuitscope.config import ShiftDictionariesConfig
from circuitscope.dictionaries import Dictionaries, load_dictionaries
from circuitscope.editing import scr_and_tpp
from circuitscope.errors import BadInput
from circuitscope.model import decide_bos, load_model
from circuitscope.results import DictionaryRow, DictionaryScores, write_result
from circuitscope.tasks.labelled import load_labelled_sets
from circuitscope.terms import Site
from circuitscope.work import Progress, silent


def run_score_dictionaries(
    config: ShiftDictionariesConfig, *, progress: Progress = silent
) -> DictionaryScores:
    """Both scores for every residual site's dictionary, or for one site's."""
    model = load_model(config.model, device=config.device, dtype=config.dtype)
    dictionaries = load_dictionaries(config.dictionaries, model)
    sites = _sites(dictionaries, config.site)
    sets = load_labelled_sets(config.data, model, **config.loading)
    bos = decide_bos(config.bos, dictionaries.prepend_bos, model.tokenizer)
    rows = []
    for number, site in enumerate(sites):
        progress(number, len(sites), "dictionaries")
        found = scr_and_tpp(model, dictionaries[site], site, sets, bos=bos, seed=config.seed)
        rows.append(DictionaryRow(site.name, found))
    result = DictionaryScores(
        data=sets.name,
        concepts={"label": tuple(sets.classes), "attribute": tuple(sets.attributes)},
        rows=tuple(rows),
    )
    if config.json:
        write_result(Path(config.json).expanduser(), result)
    return result


def _sites(dictionaries: Dictionaries, asked: str) -> list[Site]:
    there = [site for site in dictionaries if site.kind == "resid"]
    wanted = [Site.parse(asked)] if asked else there
    if not wanted or wanted[0] not in there:
        raise BadInput(
            f"no dictionary at {asked}" if asked else "no dictionary at a residual site",
            expected=", ".join(map(str, there))
            or "a dictionary at a residual site, which is what probes read",
            mend="choose one of these sites" if there else "load other dictionaries",
        )
    return wanted
