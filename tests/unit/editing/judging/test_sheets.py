"""A sheet gives back what was written, and nothing in a damaged one is guessed."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_circuits import circuit, dashboards, features

from circuitscope.editing.judging import read_sheet, write_features, write_sheet
from circuitscope.editing.judging.cells import (
    contexts_cell,
    guarded,
    read_contexts_cell,
    read_tokens_cell,
    tokens_cell,
    unguarded,
)
from circuitscope.errors import BadFile, BadInput, CircuitscopeError
from circuitscope.results import MarkedContext, TokenWeight, to_judge

ENDINGS = ["csv", "jsonl"]
NASTY = (
    " «a»\\n",
    '=HYPERLINK("x")',
    "a\r\nb\tc,;",
    "'=1",
    "\x00\x1b\u2028\u202e",
    "名前",
    "-1",
    " +",
    "\ufeff",
)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SOURCES = st.sampled_from(["", "general text", "training texts"])
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def change(path, row, column, value):
    """Change one cell as a spreadsheet would; rows count from 1 with the headings."""
    rows = table(path)
    rows[row - 1][rows[0].index(column)] = value
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)


# -- round trip ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("nasty", NASTY)
def test_a_sheet_gives_back_every_text(tmp_path, ending, nasty):
    one = circuit(task=nasty)
    context = MarkedContext(nasty, nasty, nasty, -2.5)
    weights = (TokenWeight(nasty, 1e-7), TokenWeight("", -3.0))
    changed = {
        "contexts": (context, context), "promoted": weights, "suppressed": weights,
        "verdict": "remove", "note": nasty, "who": nasty, "when": "2024-05-31T12:00:00+02:00",
    }  # fmt: skip
    rows = features(one, **changed)
    write_features(tmp_path / f"sheet.{ending}", one, rows)
    assert read_sheet(tmp_path / f"sheet.{ending}", one) == rows


@given(st.lists(st.tuples(ANY_TEXT, ANY_TEXT, ANY_TEXT, NUMBERS, SOURCES), max_size=4))
def test_contexts_come_back_from_their_cell(parts):
    contexts = tuple(MarkedContext(*part) for part in parts)
    assert read_contexts_cell(unguarded(guarded(contexts_cell(contexts)))) == contexts


def test_a_sheet_says_where_general_text_ends():
    general, own = (
        MarkedContext("the ", "nurse", "", 2.0, source) for source in ("general text", "training texts")
    )
    lines = contexts_cell((general, general, own)).split("\n")
    assert lines == ["[general text]", *["2.0  the «nurse»"] * 2, "[training texts]", "2.0  the «nurse»"]
    assert contexts_cell((own,)).startswith("[training texts]\n")


def test_contexts_of_older_sheets_do_not_say_where_they_are_from(tmp_path):
    assert read_contexts_cell("2.0  the «nurse»") == (MarkedContext("the ", "nurse", "", 2.0),)
    one = circuit()
    rows = features(one, contexts=(MarkedContext("a", "b", "c", 1.0),))
    path = tmp_path / "sheet.jsonl"
    write_features(path, one, rows)
    older = [json.loads(line) for line in path.read_text().splitlines()]
    for row in older:
        del row["contexts"][0]["source"]
    path.write_text("".join(json.dumps(row) + "\n" for row in older))
    assert read_sheet(path, one, finished=False) == rows


@given(st.lists(st.tuples(ANY_TEXT, NUMBERS), max_size=4))
def test_tokens_come_back_from_their_cell(parts):
    tokens = tuple(TokenWeight(*part) for part in parts)
    assert read_tokens_cell(tokens_cell(tokens)) == tokens


@given(st.text(st.sampled_from("'=+-@ \t\r\nab"), max_size=6))
def test_guarding_is_undone(text):
    assert unguarded(guarded(text)) == text
    assert guarded(text).lstrip()[:1] not in ("=", "+", "-", "@")


@pytest.mark.parametrize("nasty", NASTY)
def test_no_cell_is_run_by_a_spreadsheet(tmp_path, nasty):
    one = circuit(task=nasty)
    token = (nasty, nasty, nasty)
    rows = to_judge(one, dashboards(one, token))
    write_features(tmp_path / "sheet.csv", one, [replace(item, note=nasty, who=nasty) for item in rows])
    heading, *rows = table(tmp_path / "sheet.csv")
    assert len(rows) == 3
    for row in rows:
        cells = dict(zip(heading, row, strict=True))
        float(cells.pop("effect"))  # a number may begin with a minus
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells.values())


def test_a_sheet_is_sorted_by_strength_without_errors_and_blank(tmp_path):
    one = circuit()
    write_sheet(tmp_path / "sheet.csv", one, dashboards(one))
    rows = read_sheet(tmp_path / "sheet.csv", one, finished=False)
    assert [(item.name, item.effect) for item in rows] == [
        ("resid_0/7", -1.25), ("resid_0/9", 0.75), ("embed/3", 0.5),
    ]  # fmt: skip
    assert {item.verdict for item in rows} == {""}
    assert rows[0].contexts == (MarkedContext(" the", " nurse", " said", 2.0),)
    assert table(tmp_path / "sheet.csv")[1][5] == "2.0   the« nurse» said"


def test_positions_of_a_feature_are_one_row():
    (row,) = features(circuit({"embed/3@1": 0.5, "embed/3@2": 0.25}))
    assert row.effect == 0.75


def test_a_feature_without_dashboard_is_refused(tmp_path):
    one = circuit()
    with pytest.raises(BadInput, match="no dashboard for embed/3"):
        write_sheet(tmp_path / "sheet.csv", one, dashboards(one)[1:])
    assert not list(tmp_path.iterdir())


# -- what a person's programs do to it -----------------------------------------------------------------


@pytest.fixture
def sheet(tmp_path):
    one = circuit()
    write_features(tmp_path / "sheet.csv", one, features(one, verdict="keep"))
    return tmp_path / "sheet.csv"


@pytest.mark.parametrize(("delimiter", "comma"), [(";", True), ("\t", False)])
def test_other_delimiters_and_decimal_commas_are_read(sheet, delimiter, comma):
    before = read_sheet(sheet, circuit())
    heading, *rows = table(sheet)
    place = heading.index("effect")
    for row in rows:
        row[place] = row[place].replace(".", ",") if comma else row[place]
    with sheet.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([heading, *rows, [""] * len(heading)])
    assert read_sheet(sheet, circuit()) == before


def test_columns_and_rows_may_be_sorted_and_verdicts_written_large(sheet):
    change(sheet, 2, "verdict", " Remove ")
    heading, *rows = table(sheet)
    with sheet.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([row[::-1] for row in [heading, *rows[::-1]]])
    assert [(item.name, item.verdict) for item in read_sheet(sheet, circuit())] == [
        ("embed/3", "keep"), ("resid_0/9", "keep"), ("resid_0/7", "remove"),
    ]  # fmt: skip


# -- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("verdict", "yes", "not a verdict"),
        ("feature", "-7", "not a feature's number"),
        ("feature", "8", "resid_0/8 is not in this run's circuit"),
        ("feature", "7", "is in row 2 already"),
        ("site", "head_3", "head_3"),
        ("effect", "nan", "not a finite number"),
        ("contexts", "2.0  the nurse", "token in « »"),
        ("promoted", '"nurse" many', "many"),
        ("suppressed", "nurse", "Expecting value"),
        ("when", "2024-05-31T12:00:00", "no time zone"),
        ("dictionary", "sha256:" + "b" * 64, "another dictionary"),
        ("task", "bios: surgeon or nurse", "another task"),
    ],
)
def test_a_damaged_cell_is_named_by_row_and_column(sheet, column, value, said):
    change(sheet, 3, column, value)
    with pytest.raises(BadFile, match=rf"^row 3 .*column {column} of the sheet .*{said}") as error:
        read_sheet(sheet, circuit())
    assert error.value.expected
    assert error.value.mend


def test_blank_verdicts_are_named(sheet):
    change(sheet, 2, "verdict", "")
    change(sheet, 4, "verdict", "")
    with pytest.raises(BadFile, match=r"row 2 \(resid_0/7\), column verdict .* 1 more: rows 4"):
        read_sheet(sheet, circuit())
    assert [item.verdict for item in read_sheet(sheet, circuit(), finished=False)] == ["", "keep", ""]


def test_a_missing_feature_is_named(sheet):
    rows = table(sheet)
    with sheet.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows[:-1])
    with pytest.raises(BadFile, match="no row for embed/3"):
        read_sheet(sheet, circuit())


def test_a_sheet_of_other_dictionaries_is_refused(sheet):
    with pytest.raises(BadFile, match="another dictionary than this run's at resid_0"):
        read_sheet(sheet, circuit(dictionary_hashes={"embed": "e" * 64, "resid_0": "c" * 64}))
    read_sheet(sheet, circuit(dictionaries_hash="c" * 64))  # other sites' dictionaries do not matter


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "lacks the columns site"),
        (b"site,feature\n", "lacks the columns effect"),
        (b"\xff\xfe", "not in UTF-8"),
        (b"HEAD,extra\n", "has the columns 'extra'"),
        (b'HEAD\n"resid_0', "damaged in row 2"),
        (b"HEAD\nresid_0,7\n", "row 2 .* has 2 cells: it lacks column effect"),
        (b"HEAD\n" + b"x," * 12 + b"x\n", "row 2 .* has cells after the last"),
    ],
)
def test_a_damaged_csv_is_refused(sheet, content, said):
    heading = ",".join(table(sheet)[0]).encode()
    sheet.write_bytes(content.replace(b"HEAD", heading))
    with pytest.raises(BadFile, match=said):
        read_sheet(sheet, circuit())


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("contexts", "text"), ("contexts", [{"before": ""}]), ("promoted", [["a"]]), ("promoted", [["a", True]]),
        ("feature", True), ("feature", 1.5), ("verdict", None), ("note", 3), ("effect", None), ("site", 1),
    ],
)  # fmt: skip
def test_a_damaged_line_of_json_is_refused(tmp_path, column, value):
    path, one = tmp_path / "sheet.jsonl", circuit()
    write_features(path, one, features(one, verdict="keep"))
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], json.dumps({**json.loads(lines[1]), column: value}), *lines[2:]]))
    with pytest.raises(BadFile, match=rf"^row 2 .*column {column} "):
        read_sheet(path, one)


@pytest.mark.parametrize("line", ["{", "[1]", '{"site": "embed"}'])
def test_a_line_that_is_no_row_is_refused(tmp_path, line):
    (tmp_path / "sheet.jsonl").write_text(line)
    with pytest.raises(BadFile, match="row 1"):
        read_sheet(tmp_path / "sheet.jsonl", circuit())


@pytest.mark.parametrize("name", ["sheet.xlsx", "sheet"])
def test_other_endings_and_missing_files_are_refused(tmp_path, name):
    with pytest.raises(BadInput, match="ends in"):
        write_sheet(tmp_path / name, circuit(), dashboards(circuit()))
    with pytest.raises(CircuitscopeError, match="cannot be read"):
        read_sheet(tmp_path / "none.csv", circuit())
