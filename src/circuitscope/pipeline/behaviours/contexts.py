"""contexts: tokens that the model predicts well, the first step of a search for behaviours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from circuitscope.behaviours import Contexts
from circuitscope.behaviours.contexts import (
    CONTEXTS_FILE,
    ContextCounts,
    Search,
    refuse_nothing,
    search,
    write_contexts,
)
from circuitscope.config import BehavioursContextsConfig, ContextSearch, part_of
from circuitscope.model import LanguageModel
from circuitscope.pipeline.behaviours.prepared import PreparedBehaviours
from circuitscope.pipeline.behaviours.run import BehavioursRun, about, begin, load_run
from circuitscope.runs import CONTEXTS, made_from, refuse_existing
from circuitscope.tasks.texts import open_texts
from circuitscope.work import Arrays, Batches, Progress, silent


@dataclass(frozen=True)
class FoundContexts:
    """What a search found, portion by portion, where it is kept."""

    kept: Batches
    names: tuple[str, ...]
    """The portions in order."""
    counts: ContextCounts
    has_bos: bool

    def parts(self) -> Iterator[Arrays]:
        """The contexts of each portion."""
        for name in self.names:
            arrays = self.kept.get(name)
            assert arrays is not None, f"{name} was kept a moment ago"
            yield arrays


def run_behaviours_contexts(
    folder: Path, config: BehavioursContextsConfig, *, overwrite: bool = False, progress: Progress = silent
) -> tuple[Contexts, ContextCounts]:
    """Find contexts in a text; writes ``manifest.json`` and ``contexts/`` into the run folder.

    A stopped search continues from its last portion when it is called again.

    Returns:
        The contexts, and what was left out and why.
    """
    prepared = prepare_contexts(folder, config, overwrite=overwrite, progress=progress)
    found = contexts_step(prepared)
    finish_contexts(prepared, found)
    return Contexts.read(folder), found.counts


def prepare_contexts(
    folder: Path, config: BehavioursContextsConfig, *, overwrite: bool = False, progress: Progress = silent
) -> PreparedBehaviours[BehavioursContextsConfig]:
    """Load model and dictionaries, and begin the run with what it is about; a wrong path to a text is found first."""
    run, _ = open_search(folder, config, overwrite=overwrite, progress=progress)
    begin(run, overwrite=overwrite)
    return PreparedBehaviours(CONTEXTS, run, config, made_from(folder, CONTEXTS), overwrite, progress)


def open_search(
    folder: Path, config: BehavioursContextsConfig, *, overwrite: bool = False, progress: Progress = silent
) -> tuple[BehavioursRun, Search]:
    """The same without beginning the run: nothing is written."""
    refuse_existing(CONTEXTS.in_(folder), overwrite=overwrite, kind=CONTEXTS.kind)
    open_texts(config.texts, text_field=config.text_field)
    run = load_run(folder, about(config), config.device, progress)
    return run, _search_of(run.model, config, run.dictionaries.prepend_bos)


def contexts_step(prepared: PreparedBehaviours[BehavioursContextsConfig]) -> FoundContexts:
    """Search the text, portion by portion.

    Raises:
        NothingFound: no token becomes a context.
    """
    run, config = prepared.run, prepared.config
    with_ = _search_of(run.model, config, run.dictionaries.prepend_bos)
    text = open_texts(config.texts, text_field=config.text_field)
    kept = prepared.partial(with_.plan())
    names, counts = [], ContextCounts()
    for name, arrays in search(with_, text, kept, prepared.progress, size=text.size):
        names.append(name)
        counts += ContextCounts.of(arrays)
    refuse_nothing(counts, with_.settings)
    return FoundContexts(kept, tuple(names), counts, with_.front is not None)


def finish_contexts(prepared: PreparedBehaviours[BehavioursContextsConfig], found: FoundContexts) -> None:
    """Write ``contexts/``."""

    def write(draft: Path) -> dict[str, object]:
        written = write_contexts(
            draft / CONTEXTS_FILE, found.parts(), has_bos=found.has_bos, most=prepared.config.contexts
        )
        return {"contexts": written, "has_bos": found.has_bos, "counts": asdict(found.counts)}

    prepared.write(write)


def _search_of(model: LanguageModel, config: BehavioursContextsConfig, prepend_bos: bool | None) -> Search:
    return Search(model, part_of(config, ContextSearch), prepend_bos)
