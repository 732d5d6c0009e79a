"""write_sheet and read_sheet: a circuit's features, each with a blank verdict, and what a judge made of them.

What is read back must be about the same features of the same dictionaries and the same task, each once, and finished:
a sheet decides what is taken out of a model, so nothing in it is guessed. Every error names row and column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from circuitscope.editing.judging import cells
from circuitscope.editing.judging.sheet_files import Row, is_csv, read_rows, write_rows
from circuitscope.errors import BadFile, CircuitscopeError
from circuitscope.results import (
    GENERAL,
    TRAINING,
    VERDICTS,
    Circuit,
    FeatureDashboard,
    JudgedFeature,
    MarkedContext,
    TokenWeight,
    dictionary_of,
    effects_of,
    task_of,
    to_judge,
)
from circuitscope.terms import NodeId, Site

_ANOTHER = "name the run that this sheet was written for, or write a sheet for this one"
_ANEW = "write the sheet again with circuitscope shift judge; verdicts that were applied are filled in again"


def write_sheet(path: str | Path, circuit: Circuit, dashboards: Sequence[FeatureDashboard]) -> None:
    """Write a sheet with a row for each of a circuit's features, strongest first, and blank verdicts.

    Args:
        path: ends in ``.csv`` or ``.jsonl``; what is there is replaced.
        dashboards: one for each feature of the circuit, in any order.

    Raises:
        BadInput: the file has another ending, or a feature has no dashboard.
    """
    write_features(path, circuit, to_judge(circuit, dashboards))


def write_features(path: str | Path, circuit: Circuit, features: Sequence[JudgedFeature]) -> None:
    """Write features with the verdicts that they have; ``read_sheet`` gives back the same."""
    place = Path(path)
    form = _CSV if is_csv(place) else _JSON
    write_rows(place, [_row(item, form, circuit) for item in features])


def read_sheet(path: str | Path, circuit: Circuit, *, finished: bool = True) -> list[JudgedFeature]:
    """Read a sheet about a circuit, in the sheet's order.

    Args:
        finished: whether every feature must have a verdict.

    Raises:
        BadInput: the file's ending is not that of a sheet.
        BadFile: it is missing or damaged, about another circuit, or not finished; the message names row and column.
    """
    place = Path(path)
    form = _CSV if is_csv(place) else _JSON
    rows = list(read_rows(place))
    features = []
    for number, row in rows:
        where = _SheetRow(place, number, _name_in(row))
        features.append(_feature(where, row, form))
        _check_identity(where, row, features[-1], form, circuit)
    _check_complete(place, [number for number, _ in rows], features, circuit)
    if finished:
        _check_finished(place, [number for number, _ in rows], features)
    return features


def sheet_for(path: str | Path, circuit: Circuit, *, every: bool = False) -> list[JudgedFeature]:
    """What a sheet that was filled in for other circuits says about this one's features, in this one's order.

    The task and each row's dictionary must be the circuit's own. A feature without a row is ``unsure``.

    Args:
        every: return the sheet's rows themselves, in their order, including features that the circuit lacks.

    Raises:
        BadFile: the sheet is missing, damaged, or about another task or other dictionaries.
    """
    place = Path(path)
    form = _CSV if is_csv(place) else _JSON
    effects, known = effects_of(circuit), {}
    for number, row in read_rows(place):
        where = _SheetRow(place, number, _name_in(row))
        item = _feature(where, row, form)
        if item.site in circuit.sites:
            _check_identity(where, row, item, form, circuit)
        known[item.site, item.feature] = item
    if every:
        return list(known.values())
    return [
        replace(known[key], effect=effect)
        if key in known
        else JudgedFeature(*key, effect, (), (), (), "unsure", f"no row in {place.name}")
        for key, effect in effects.items()
    ]


class _SheetRow:
    """A row of a sheet, for messages."""

    def __init__(self, path: Path, number: int, name: str = "") -> None:
        self._text = f"row {number} ({name})" if name else f"row {number}"
        self._path = path

    def error(self, column: str, said: str, *, expected: str, mend: str) -> BadFile:
        return BadFile(
            f"{self._text}, column {column} of the sheet {self._path}: {said}", expected=expected, mend=mend
        )


def _name_in(row: Row) -> str:
    return f"{row['site']}/{row['feature']}" if row["site"] else ""


# -- the two forms: text in every cell, or JSON's values -----------------------------------------------


class _Form:
    """How a column's value is written, and read back (raising ValueError)."""

    def __init__(
        self,
        text: tuple[Callable[[str], Any], Callable[[Any], str]],
        contexts: tuple[Callable[[Sequence[MarkedContext]], Any], Callable[[Any], tuple[MarkedContext, ...]]],
        tokens: tuple[Callable[[Sequence[TokenWeight]], Any], Callable[[Any], tuple[TokenWeight, ...]]],
    ) -> None:
        self.write_text, self.read_text = text
        self.write_contexts, self.read_contexts = contexts
        self.write_tokens, self.read_tokens = tokens


def _plain_text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")
    return value


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list")
    return value


def _json_contexts(value: Any) -> tuple[MarkedContext, ...]:
    return tuple(map(_json_context, _listed(value)))


def _json_context(item: Any) -> MarkedContext:
    parts = set(MarkedContext.__dataclass_fields__)
    if not isinstance(item, dict) or {*item, "source"} != parts:  # older sheets do not say the source
        raise ValueError(f"{item!r} is not a context")
    before, token, after = (_plain_text(item[part]) for part in ("before", "token", "after"))
    source = item.get("source", "")
    if source not in (GENERAL, TRAINING, ""):
        raise ValueError(f"{source!r} is neither {GENERAL!r} nor {TRAINING!r}")
    return MarkedContext(before, token, after, cells.number(str(item["activation"])), source)


def _json_tokens(value: Any) -> tuple[TokenWeight, ...]:
    pairs = [_listed(item) for item in _listed(value)]
    return tuple(TokenWeight(_plain_text(token), cells.number(str(weight))) for token, weight in pairs)


_CSV = _Form(
    (cells.guarded, cells.unguarded),
    (
        lambda contexts: cells.guarded(cells.contexts_cell(contexts)),
        lambda cell: cells.read_contexts_cell(cells.unguarded(cell)),
    ),
    (cells.tokens_cell, cells.read_tokens_cell),
)
_JSON = _Form(
    (str, _plain_text),
    (lambda contexts: [asdict(item) for item in contexts], _json_contexts),
    (lambda tokens: [[item.token, item.weight] for item in tokens], _json_tokens),
)


def _row(item: JudgedFeature, form: _Form, circuit: Circuit) -> dict[str, Any]:
    return {
        "site": item.site.name,
        "feature": item.feature,
        "effect": item.effect,
        "verdict": item.verdict,
        "note": form.write_text(item.note),
        "contexts": form.write_contexts(item.contexts),
        "promoted": form.write_tokens(item.promoted),
        "suppressed": form.write_tokens(item.suppressed),
        "who": form.write_text(item.who),
        "when": item.when,
        "task": form.write_text(task_of(circuit)),
        "dictionary": _shown(dictionary_of(circuit, item.site)),
    }


def _shown(content_hash: str) -> str:
    """A hash in a form that no spreadsheet takes for a number."""
    return f"sha256:{content_hash}" if content_hash else ""


# -- reading a row ---------------------------------------------------------------------------------------


def _feature(place: _SheetRow, row: Row, form: _Form) -> JudgedFeature:
    columns: Mapping[str, tuple[Callable[[Any], Any], str]] = {
        "site": (lambda value: Site.parse(_plain_text(value)), "a site such as resid_3"),
        "feature": (_index, "the feature's number, 0 or more"),
        "effect": (lambda value: cells.number(str(value)), "a number"),
        "contexts": (form.read_contexts, "contexts as circuitscope shift judge wrote them"),
        "promoted": (form.read_tokens, "tokens as circuitscope shift judge wrote them"),
        "suppressed": (form.read_tokens, "tokens as circuitscope shift judge wrote them"),
        "verdict": (_verdict, f"{', '.join(VERDICTS[:-1])} or {VERDICTS[-1]}"),
        "note": (form.read_text, "text"),
        "who": (form.read_text, "a name"),
        "when": (_when, "a time such as 2024-05-31T12:00:00+00:00, or nothing"),
    }
    values = {}
    for column, (read, expected) in columns.items():
        try:
            values[column] = read(row[column])
        except (ValueError, TypeError, CircuitscopeError) as error:
            said = error.got if isinstance(error, CircuitscopeError) else str(error)
            mend = "correct this cell" if column in ("verdict", "note", "who", "when") else _ANEW
            raise place.error(column, said, expected=expected, mend=mend) from error
    return JudgedFeature(**values)


def _index(value: Any) -> int:
    number = value if isinstance(value, int) else int(_plain_text(value))
    if number < 0 or isinstance(value, bool):
        raise ValueError(f"{value!r} is not a feature's number")
    return number


def _verdict(value: Any) -> str:
    word = _plain_text(value).strip().casefold()
    if word and word not in VERDICTS:
        raise ValueError(f"{value!r} is not a verdict")
    return word


def _when(value: Any) -> str:
    text = _plain_text(value).strip()
    if text and datetime.fromisoformat(text).tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return text


# -- whether it is the sheet of this circuit ---------------------------------------------------------------


def _check_identity(place: _SheetRow, row: Row, item: JudgedFeature, form: _Form, circuit: Circuit) -> None:
    """The row's task and dictionary are those of the circuit."""
    wanted = _shown(dictionary_of(circuit, item.site))
    if row["dictionary"] != wanted:
        raise place.error(
            "dictionary",
            f"{row['dictionary']!r} is another dictionary than this run's at {item.site}",
            expected=f"{wanted!r}, its content hash",
            mend=_ANOTHER,
        )
    task = form.read_text(row["task"]) if isinstance(row["task"], str) else row["task"]
    if task != task_of(circuit):
        raise place.error(
            "task",
            f"{task!r} is another task than this run's",
            expected=f"{task_of(circuit)!r}",
            mend=_ANOTHER,
        )


def _check_complete(
    path: Path, numbers: Sequence[int], features: Sequence[JudgedFeature], circuit: Circuit
) -> None:
    """Every feature of the circuit once, and no other."""
    wanted = effects_of(circuit)
    seen: dict[tuple[Site, int], int] = {}
    for number, item in zip(numbers, features, strict=True):
        key = (item.site, item.feature)
        place = _SheetRow(path, number, item.name)
        if key not in wanted:
            raise place.error(
                "feature",
                f"{item.name} is not in this run's circuit",
                expected=f"one of its {len(wanted)} features",
                mend="remove the row; if it is the sheet of another run, name that one",
            )
        if key in seen:
            raise place.error(
                "feature",
                f"{item.name} is in row {seen[key]} already",
                expected="one row per feature",
                mend="remove one of the two",
            )
        seen[key] = number
    missing = [str(NodeId(*feature)) for feature in wanted if feature not in seen]
    if missing:
        raise BadFile(
            f"the sheet {path} has no row for {_some(missing)}",
            expected=f"a row for each of the circuit's {len(wanted)} features",
            mend="put the rows back, or " + _ANEW,
        )


def _check_finished(path: Path, numbers: Sequence[int], features: Sequence[JudgedFeature]) -> None:
    blank = [(number, item) for number, item in zip(numbers, features, strict=True) if not item.verdict]
    if blank:
        number, item = blank[0]
        rest = f", and so are {len(blank) - 1} more: rows {_some([str(row) for row, _ in blank[1:]])}"
        raise _SheetRow(path, number, item.name).error(
            "verdict",
            "it is blank" + rest * (len(blank) > 1),
            expected=f"{', '.join(VERDICTS[:-1])} or {VERDICTS[-1]} in every row",
            mend=f"fill it in ({VERDICTS[-1]} leaves the feature in the model)",
        )


def _some(names: Sequence[str], shown: int = 5) -> str:
    rest = len(names) - shown
    return ", ".join(names[:shown]) + f" and {rest} more" * (rest > 0)
