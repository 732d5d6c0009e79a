"""load_labelled_sets: from the name of a source to its four sets.

A source is ``bundled``, the id of a data set on the hub, a file, or a folder with a file (or several) per split.
Files are parquet, JSON lines or CSV; their fields are found by name (``layout``).
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from circuitscope.bundled import BUNDLED
from circuitscope.errors import BadFile, BadInput, argument
from circuitscope.model import LanguageModel
from circuitscope.runs import looks_like_path
from circuitscope.tasks.labelled import bias_in_bios, bundled
from circuitscope.tasks.labelled.labelled_text import LabelledSets
from circuitscope.tasks.labelled.layout import Fields, Given, choose_fields, labelled, named, two_values
from circuitscope.tasks.labelled.records import SUFFIXES, field_names, read_rows
from circuitscope.tasks.labelled.sets import make_sets
from circuitscope.tasks.language import PROFESSIONS
from circuitscope.tasks.task import HELD_OUT_SHARE

log = logging.getLogger("circuitscope")

SPLITS = ("train", "test")
Named = list[tuple[str, str, str]]
"""(text, label, attribute) by name."""


def load_labelled_sets(
    source: str | Path,
    model_or_tokenizer: LanguageModel | Any = None,
    *,
    classes: Sequence[str] | None = None,
    attributes: Sequence[str] | None = None,
    text_field: str | None = None,
    label_field: str | None = None,
    attribute_field: str | None = None,
    limit: int | None = None,
    seed: int = 42,
) -> LabelledSets:
    """Ambiguous and balanced sets of a source, drawn as published (Marks et al. 2024, appendix D).

    Args:
        source: ``bundled`` (biographies in the bundled language); ``LabHC/bias_in_bios`` or another data set on the
            hub; a parquet, JSON-lines or CSV file, of which a quarter is held out for testing; or a folder with a
            train and a test file.
        model_or_tokenizer: checked to know the words of the bundled biographies; otherwise unused.
        classes: the names of label 0 and label 1; by default professor and nurse if there are such, or else the only
            two that there are.
        attributes: the names of attribute 0 and attribute 1; by default male and female, likewise. In ambiguous sets
            the first class has the first attribute.
        text_field, label_field, attribute_field: names of the fields; those of Bias in Bios or text, label, attribute
            if not given.
        limit: the most texts in a set; None takes all there are.
        seed: for the shuffle, the division of a single file, and the bundled biographies.

    Raises:
        BadInput: there is no such source; there are not exactly two classes or attributes, or no texts of one.
        BadFile: a file cannot be read or lacks a field.
        NothingFound: one of the four groups is empty.
    """
    if limit is not None and limit < len(SPLITS) * 2:
        raise BadInput(
            f"at most {limit} texts in a set",
            expected="at least 4: one of each group",
            mend=f"raise {argument('limit')}",
        )
    wanted = None if classes is None else tuple(classes), None if attributes is None else tuple(attributes)
    refuse_unknown_words(source, model_or_tokenizer)
    if str(source) == BUNDLED:
        return _bundled(*wanted, limit, seed)
    given: Given = (text_field, label_field, attribute_field)
    name, splits, _ = _read(source, given, seed)
    rows = splits["train"] + splits["test"]
    two_classes = two_values("class", (row[1] for row in rows), wanted[0], bias_in_bios.CLASSES, name)
    two_attributes = two_values("attribute", (row[2] for row in rows), wanted[1], bias_in_bios.GENDERS, name)
    train, test = (labelled(splits[split], two_classes, two_attributes) for split in SPLITS)
    others = len(rows) - len(train) - len(test)
    if others:
        log.info("%d of %d texts have another class or attribute and are left out", others, len(rows))
    return make_sets(
        name, train, test, classes=two_classes, attributes=two_attributes, seed=seed, limit=limit
    )


def refuse_unknown_words(source: str | Path, model_or_tokenizer: LanguageModel | Any) -> None:
    """Raise BadInput for the bundled biographies and a tokenizer that does not know their words."""
    tokenizer = getattr(model_or_tokenizer, "tokenizer", model_or_tokenizer)
    if str(source) == BUNDLED and tokenizer is not None:
        bundled.check_tokenizer(tokenizer)


def _bundled(
    classes: tuple[str, ...] | None,
    attributes: tuple[str, ...] | None,
    limit: int | None,
    seed: int,
) -> LabelledSets:
    where = "the bundled biographies"
    known = [profession.name for profession in PROFESSIONS]
    two_classes = two_values("class", known, classes, bundled.CLASSES, where)
    two_attributes = two_values("attribute", bundled.ATTRIBUTES, attributes, bundled.ATTRIBUTES, where)
    train, test = (bundled.biographies(split, two_classes, two_attributes, seed) for split in SPLITS)
    return make_sets(
        BUNDLED, train, test, classes=two_classes, attributes=two_attributes, seed=seed, limit=limit
    )


def _read(source: str | Path, given: Given, seed: int) -> tuple[str, dict[str, Named], Fields]:
    """The name of a source, its splits by name, and its fields."""
    path = Path(source).expanduser()
    if path.is_file():
        _check_suffix(path)
        rows, fields = _rows([path], given)
        return path.stem, _divided(rows, seed), fields
    if not path.exists():
        path = _from_hub(str(source))
    files = {split: _files_of(path, split) for split in SPLITS}
    missing = [split for split in SPLITS if not files[split]]
    if missing:
        raise BadFile(
            f"the folder {path} has no {' and no '.join(missing)} file",
            expected=f"names that begin with train and with test, and end with {', '.join(SUFFIXES)}",
            mend="rename the files, or give a single file, of which a quarter is held out",
        )
    splits = {}
    for split in SPLITS:
        splits[split], fields = _rows(files[split], given)
    name = str(source) if not Path(source).expanduser().exists() else path.name
    return name, splits, fields


def _check_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise BadFile(
            f"{path} is a file of another kind",
            expected=f"labelled texts in a file that ends with {', '.join(SUFFIXES)}",
            mend="convert it",
        )


def _files_of(folder: Path, split: str) -> list[Path]:
    """The files of a split, also in a folder ``data`` as on the hub, with parts in order."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in SUFFIXES and (path.name.startswith(split) or path.parent.name == split)
    )


def _rows(files: Sequence[Path], given: Given) -> tuple[Named, Fields]:
    rows: Named = []
    for file in files:
        fields = choose_fields(field_names(file), given, str(file))
        rows += named(fields, read_rows(file, fields.all))
    return rows, fields


def _divided(rows: Named, seed: int) -> dict[str, Named]:
    """A quarter held out, drawn by the seed."""
    order = random.Random(seed).sample(rows, len(rows))
    held_out = round(HELD_OUT_SHARE * len(order))
    return {"train": order[held_out:], "test": order[:held_out]}


def refuse_missing_texts(source: str) -> None:
    """Raise BadInput for a path at which there is nothing."""
    if source != BUNDLED and looks_like_path(source) and not Path(source).expanduser().exists():
        raise BadInput(
            f"there are no labelled texts at {source!r}",
            expected=f"bundled, a file, a folder, or a data set on the hub such as {bias_in_bios.BIAS_IN_BIOS}",
            mend="check the path",
        )


def _from_hub(repository: str) -> Path:
    """The local folder of a data set on the hub; what an earlier download left is used without a network."""
    from huggingface_hub import snapshot_download

    refuse_missing_texts(repository)
    patterns = [f"*{suffix}" for suffix in SUFFIXES]
    try:
        return Path(snapshot_download(repository, repo_type="dataset", allow_patterns=patterns))
    except Exception as error:
        raise BadFile(
            f"there are no labelled texts at {repository!r}, and the hub returned no such data set: "
            f"{(str(error).splitlines() or [''])[0]}",
            expected="a file or folder on this disk, or the id of a data set on the hub and a network connection",
            mend="check the spelling",
        ) from error
