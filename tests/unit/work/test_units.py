"""One loop of named units: what is kept is not done again, and the order is that of the units."""

from __future__ import annotations

import numpy as np
import pytest
from work_units import notes, scales

from circuitscope.work import InMemory, Partial, Unit, finished


def test_results_come_in_order_and_progress_is_told(tmp_path):
    told = []
    found = list(finished(scales(tmp_path, 3), 2.0, InMemory(), lambda *step: told.append(step), "scaling"))
    assert [name for name, _ in found] == ["unit-0", "unit-1", "unit-2"]
    assert told == [(1, 3, "scaling"), (2, 3, "scaling"), (3, 3, "scaling")]
    assert notes(tmp_path) == ["do 0", "do 1", "do 2"]


def test_a_stopped_loop_goes_on_with_what_is_missing(tmp_path):
    whole = dict(finished(scales(tmp_path / ".", 4), 2.0, InMemory()))
    (tmp_path / "notes.txt").unlink()
    plan = {"settings": 1}

    def stop_after_two(done, total, what):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(finished(scales(tmp_path, 4), 2.0, Partial.beside(tmp_path / "run", plan), stop_after_two))
    again = dict(finished(scales(tmp_path, 4), 2.0, Partial.beside(tmp_path / "run", plan)))
    assert notes(tmp_path) == [f"do {number}" for number in range(4)], "nothing was done twice"
    assert list(again) == list(whole)
    for name, arrays in whole.items():
        np.testing.assert_array_equal(again[name]["x"], arrays["x"])


def test_the_results_of_other_settings_are_not_used(tmp_path):
    for settings in (1, 2):
        list(finished(scales(tmp_path, 1), 2.0, Partial.beside(tmp_path / "run", {"settings": settings})))
    assert notes(tmp_path) == ["do 0", "do 0"]


def test_units_made_one_by_one_are_not_made_ahead():
    made = []

    def units():
        for number in range(3):
            made.append(number)
            yield Unit(str(number), lambda _: {"x": np.zeros(1)}, size=2)

    told = []
    loop = finished(units(), None, InMemory(), lambda *step: told.append(step), total=6)
    next(loop)
    assert made == [0]
    list(loop)
    assert told == [(2, 6, "units"), (4, 6, "units"), (6, 6, "units")]
