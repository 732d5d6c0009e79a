"""JSON lines from anywhere: what ends a line, and what is refused."""

from __future__ import annotations

import json
import os
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from circuitscope.errors import BadFile
from circuitscope.runs import Sheet, read_json_lines
from circuitscope.tasks import read_examples

CASES = int(os.environ.get("CIRCUITSCOPE_CASES", "100"))
TEXT = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\u2028\u2029\x85\x0b\x0c\x1c\ufeff\r\n")
)
OBJECTS = st.lists(st.dictionaries(TEXT, TEXT | st.integers() | st.none(), max_size=3), max_size=5)


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    objects=OBJECTS, ascii_only=st.booleans(), end=st.sampled_from(["\n", "\r\n", "\n\n"]), mark=st.booleans()
)
def test_what_was_written_is_read(tmp_path, objects, ascii_only, end, mark):
    path = tmp_path / "lines.jsonl"
    text = end.join(json.dumps(value, ensure_ascii=ascii_only) for value in objects)
    path.write_bytes(("\ufeff" * mark + text).encode())
    assert [value for _, value in read_json_lines(path)] == objects


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=60) | TEXT.map(str.encode))
def test_anything_else_is_one_error(tmp_path, content):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(content)
    with suppress(BadFile, UnicodeDecodeError):  # which whoever reads explains
        assert all(isinstance(value, dict) for _, value in read_json_lines(path))
    with suppress(BadFile):
        assert all(example.clean_prefix for example in read_examples(path))


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    path = tmp_path / "task.jsonl"
    good = json.dumps({"clean_prefix": "a\u2028b\x85c", "clean_answer": " d"}, ensure_ascii=False)
    path.write_text(f"\ufeff{good}\r\n\r\n{good}\r\n{{not json\r\n", encoding="utf-8", newline="")
    with pytest.raises(BadFile, match="line 4 is not JSON"):
        read_examples(path)
    path.write_text(f"\ufeff{good}\r\n\r\n{good}\r\n", encoding="utf-8", newline="")
    assert [example.clean_prefix for example in read_examples(path)] == ["a\u2028b\x85c"] * 2


def test_half_a_character_is_refused(tmp_path):
    path = tmp_path / "task.jsonl"
    path.write_text(r'{"clean_prefix": "a\ud83d", "clean_answer": " d"}')
    with pytest.raises(BadFile, match="line 1 has half a character"):
        read_examples(path)
    path.write_text(r'{"clean_prefix": "a\ud83d\ude00", "clean_answer": " d"}')
    assert read_examples(path)[0].clean_prefix == "a😀"


@pytest.mark.parametrize("case", [None, ["plural"], {"number": "plural"}])
def test_a_case_is_words(tmp_path, case):
    path = tmp_path / "task.jsonl"
    path.write_text(json.dumps({"clean_prefix": "a", "clean_answer": " b", "case": case}))
    with pytest.raises(BadFile, match="line 1 has the case"):
        read_examples(path)


def test_a_sheet_is_counted_row_by_row(tmp_path):
    rows = [{"verdict": "", "note": "a\u2028b\x85c"}, {"verdict": "keep", "note": ""}]
    text = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "sheet.jsonl").write_text(f"\ufeff{text}\r\n", encoding="utf-8", newline="")
    assert Sheet(tmp_path / "sheet.jsonl", "words").verdicts() == (1, 2)
