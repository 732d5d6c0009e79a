"""SCR and TPP of dictionaries on labelled texts, one residual site after the other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from circuitscope.config import ShiftDictionariesConfig
from circuitscope.dictionaries import Dictionaries, load_dictionaries, refuse_missing_dictionaries
from circuitscope.editing import scr_and_tpp
from circuitscope.errors import BadInput
from circuitscope.model import LanguageModel, decide_bos, load_model, shape_of
from circuitscope.results import DictionaryRow, DictionaryScores, write_result
from circuitscope.runs import refuse_existing
from circuitscope.tasks.labelled import LabelledSets, load_labelled_sets, refuse_unknown_words
from circuitscope.terms import Site
from circuitscope.work import Progress, silent, step


@dataclass(frozen=True)
class PreparedScores:
    """Scores of dictionaries that are ready to be made."""

    model: LanguageModel
    dictionaries: Dictionaries
    sites: list[Site]
    sets: LabelledSets
    bos: bool
    out: Path | None


def run_score_dictionaries(
    config: ShiftDictionariesConfig, *, overwrite: bool = False, progress: Progress = silent
) -> DictionaryScores:
    """Both scores for every residual site's dictionary, or for one site's; written to ``json`` if it is given."""
    ready = prepare_scores(config, overwrite=overwrite, progress=progress)
    rows = []
    for number, site in enumerate(ready.sites):
        progress(number, len(ready.sites), "dictionaries")
        found = scr_and_tpp(
            ready.model, ready.dictionaries[site], site, ready.sets, bos=ready.bos, seed=config.seed
        )
        rows.append(DictionaryRow(site.name, found))
    result = DictionaryScores(
        data=ready.sets.name,
        concepts={"label": tuple(ready.sets.classes), "attribute": tuple(ready.sets.attributes)},
        rows=tuple(rows),
    )
    if ready.out is not None:
        ready.out.parent.mkdir(parents=True, exist_ok=True)
        write_result(ready.out, result)
    return result


def prepare_scores(
    config: ShiftDictionariesConfig, *, overwrite: bool = False, progress: Progress = silent
) -> PreparedScores:
    """Load what is scored, after refusing what cannot be."""
    out = Path(config.json).expanduser() if config.json else None
    if out is not None:
        refuse_existing(out, overwrite=overwrite)
    if config.site:
        shape_of(config.model).refuse_missing_site(Site.parse(config.site), "site")
    refuse_missing_dictionaries(config.dictionaries)
    sets = load_labelled_sets(config.data, **config.loading)
    with step(progress, "loading the model"):
        model = load_model(config.model, device=config.device, dtype=config.dtype)
    refuse_unknown_words(config.data, model)
    with step(progress, "loading the dictionaries"):
        dictionaries = load_dictionaries(config.dictionaries, model)
    bos = decide_bos(config.bos, dictionaries.prepend_bos, model.tokenizer)
    return PreparedScores(model, dictionaries, _sites(dictionaries, config.site), sets, bos, out)


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
