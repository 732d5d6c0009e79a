"""What every engine does, as tests: a class of tests inherits them and has a fixture ``engine``."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import work_units
from work_units import notes, scales, setup

from circuitscope.errors import BadInput, WorkFailed
from circuitscope.work import NOTHING_SHARED, InMemory, InProcess, Partial, Setup, Unit, refuse_failures


def values(numbers) -> list[Unit[float, float]]:
    return [Unit(f"unit-{number}", partial(work_units.value_of, number=number)) for number in numbers]


def loads(folder: Path) -> set[str]:
    found = [line for line in notes(folder) if line.startswith("load")]
    assert len(set(found)) == len(found), "a process loaded twice"
    return set(found)


class EveryEngine:
    """Wherever the work is done."""

    def test_outcomes_come_in_the_order_of_the_units(self, engine, tmp_path):
        units = [Unit(f"unit-{number}", partial(work_units.slow_first, number=number)) for number in range(4)]
        found = list(engine.run(setup(tmp_path), units))
        assert [(one.name, one.value) for one in found] == [
            (f"unit-{number}", 2.0 * number) for number in range(4)
        ]

    def test_a_unit_that_fails_is_recorded_and_the_others_go_on(self, engine, tmp_path):
        units = [
            Unit("wrong", work_units.wrong_input),
            Unit("bug", work_units.bug),
            *values([3]),
        ]
        wrong, bug, good = engine.run(setup(tmp_path), units)
        assert (good.value, good.failure) == (6.0, None)
        assert wrong.failure.kind == "BadInput"
        assert wrong.failure.text.splitlines() == [
            "a number of -1", "expected: a number above 0", "to fix it: give another",
        ]  # fmt: skip
        assert bug.failure.kind == "ZeroDivisionError"
        assert "Traceback" in bug.failure.text
        assert "return factor / 0" in bug.failure.text
        with pytest.raises(WorkFailed, match="2 of 3 units failed") as failed:
            refuse_failures([wrong, bug, good], "units")
        for words in ("wrong:\n  a number of -1", "bug:", "ZeroDivisionError"):
            assert words in failed.value.got

    def test_what_is_kept_is_not_done_again(self, engine, tmp_path):
        (tmp_path / "notes").mkdir()
        kept = Partial.beside(tmp_path / "run", {})
        units = scales(tmp_path / "notes", 3)
        first = list(engine.run(setup(tmp_path), units[:2], kept=kept))
        every = list(engine.run(setup(tmp_path), units, kept=kept))
        assert sorted(notes(tmp_path / "notes")) == ["do 0", "do 1", "do 2"]
        for one, again in zip(first, every, strict=False):
            np.testing.assert_array_equal(one.value["x"], again.value["x"])
        list(engine.run(Setup(work_units.fail_to_load), units, kept=kept))  # nothing to do, nothing to load

    def test_a_setup_that_fails_ends_it(self, engine):
        with pytest.raises(BadInput, match="no such model") as error:
            list(engine.run(Setup(work_units.fail_to_load), values([1, 2])))
        assert error.value.mend == "check the name"

    def test_two_units_of_one_name_are_refused(self, engine):
        with pytest.raises(BadInput, match="more than one unit is called unit-1"):
            list(engine.run(NOTHING_SHARED, values([1, 1])))

    def test_progress_of_units_and_inside_them(self, engine, tmp_path):
        told = []
        units = [Unit("first", work_units.steps), Unit("second", work_units.steps)]
        list(engine.run(setup(tmp_path), units, progress=lambda *step: told.append(step), what="walks"))
        assert [step for step in told if step[2] == "walks"] == [(n, 2, "walks") for n in range(3)]
        for name in ("first", "second"):
            inside = [step for step in told if step[2] == f"{name}: steps"]
            assert inside[-1][:2] == (3, 3)


class EngineWithWorkers(EveryEngine):
    """Where it is done by several, in processes of their own: ``engine`` has two."""

    def test_no_more_workers_than_units(self, engine, tmp_path):
        list(replace(engine, workers=8).run(setup(tmp_path), values([1])))
        assert len(loads(tmp_path)) == 1

    def test_results_are_kept_as_they_arrive(self, engine, tmp_path):
        """Not only when it is their turn: a kill loses none that is there."""
        kept, order = InMemory(), []
        put = kept.put
        kept.put = lambda name, arrays: (order.append(name), put(name, arrays))
        last = partial(work_units.scale_last, number=9, folder=tmp_path, others=2)
        units = [Unit("slow", last), *scales(tmp_path, 2)]
        list(engine.run(setup(tmp_path), units, kept=kept))
        assert order == ["unit-0", "unit-1", "slow"]

    def test_every_worker_loads_once_and_this_process_never(self, engine, tmp_path):
        list(engine.run(setup(tmp_path), values(range(5))))
        assert 1 <= len(loads(tmp_path)) <= 2
        assert f"load {os.getpid()}" not in loads(tmp_path)

    def test_numbers_are_those_of_this_process(self, engine, tmp_path):
        ours, theirs = (list(one.run(setup(tmp_path), scales(tmp_path, 4))) for one in (InProcess(), engine))
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one.value["x"], other.value["x"])

    def test_what_cannot_go_to_another_process_is_refused(self, engine, tmp_path):
        with pytest.raises(BadInput, match="local cannot go to a worker process"):
            list(engine.run(setup(tmp_path), [Unit("local", lambda factor: factor)]))

    def test_a_setup_that_crashes_shows_its_traceback(self, engine):
        with pytest.raises(WorkFailed, match="the weights are upside down"):
            list(replace(engine, workers=1).run(Setup(work_units.crash_on_load), values([1])))

    def test_workers_that_die_while_they_load_are_not_started_for_ever(self, engine, caplog):
        with pytest.raises(WorkFailed, match="could load what the units need; each ended"):
            list(engine.run(Setup(work_units.die_on_load), values([1, 2])))
        assert re.search(
            r"a (Ray worker died|worker process was killed) \(.+\) while it was loading", caplog.text
        )

    def test_another_worker_tries_the_unit_of_one_that_was_killed(self, engine, tmp_path, caplog):
        units = [Unit("killed", partial(work_units.killed, folder=tmp_path, times=1)), *values([1, 2, 3])]
        found = list(engine.run(setup(tmp_path), units))
        assert [one.value for one in found] == [2.0, 2.0, 4.0, 6.0]
        (said,) = caplog.messages
        assert re.fullmatch(
            r"killed: its (Ray worker died|worker process was killed) \(.+\); another one tries it", said
        )

    def test_a_unit_that_kills_every_worker_has_failed(self, engine, tmp_path):
        units = [Unit("killed", partial(work_units.killed, folder=tmp_path, times=9)), *values([1, 2, 3])]
        found = list(replace(engine, workers=1, tries=3).run(setup(tmp_path), units))
        assert found[0].failure.kind == "killed"
        assert "), 3 times\nto fix it: " in found[0].failure.text
        assert [one.value for one in found[1:]] == [2.0, 4.0, 6.0]
        assert notes(tmp_path).count("try") == 3

    def test_a_death_counts_for_the_unit_that_was_being_done_alone(self, engine, tmp_path):
        """Two workers die at once, of which one was idle: as when their machine goes."""
        kept = Partial.beside(tmp_path / "run", {})
        quick = Unit("quick", partial(work_units.process_number))
        take_along = partial(work_units.take_along, folder=tmp_path, other=kept.folder / "quick.safetensors")
        _, last = engine.run(setup(tmp_path), [quick, Unit("last", take_along)], kept=kept)
        assert last.value["x"] == 2.0
        assert notes(tmp_path).count("try") == 2

    def test_messages_of_workers_reach_the_log(self, engine, tmp_path, caplog):
        with caplog.at_level(logging.WARNING, "circuitscope"):
            list(replace(engine, workers=1).run(setup(tmp_path), [Unit("one", work_units.warn)]))
        assert "beware of 2.0" in caplog.messages
