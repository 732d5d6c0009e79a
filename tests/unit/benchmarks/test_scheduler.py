"""The simulated scheduler against cases that are solved by hand, and against what renewal theory says."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.behaviours.scheduler import Loss, Plan, costs, drawn_seconds, mean_course, parse, simulate
from circuitscope.runs import read_arrays

PAGE = Path(__file__).resolve().parents[3] / "docs" / "scale.md"


@pytest.mark.parametrize(
    ("seconds", "workers", "load", "makespan"),
    [
        ([10] * 4, 2, 5, 25),  # two rounds after loading
        ([10] * 5, 2, 5, 35),  # the last one alone
        ([30, 10, 10, 10], 2, 0, 30),  # the longest first
        ([10, 10, 10, 30], 2, 0, 40),  # the longest last: 10 + 30 on one worker
        ([7], 3, 2, 9),
    ],
)
def test_without_a_loss(seconds, workers, load, makespan):
    course = simulate(Plan(seconds, machines=workers, workers=1, load=load))
    assert (course.makespan, course.lost, course.failed) == (makespan, 0, 0)
    together = simulate(Plan(seconds, machines=1, workers=workers, load=load))
    assert together.makespan == makespan


def plan(**changes) -> Plan:
    """Two machines of one worker, four jobs of 10 s after 5 s of loading; machine 1 is lost 7 s into its job."""
    return Plan(
        **{"seconds": [10] * 4, "machines": 2, "workers": 1, "load": 5, "losses": [Loss(1, 12)], **changes}
    )


def test_a_machine_that_is_lost_for_good():
    """The other one does 5–15 its own, then the lost one and two more."""
    course = simulate(plan())
    assert (course.makespan, course.lost, course.loading) == (45, 7, 10)


def test_a_machine_that_comes_back():
    """It loads 20–25; meanwhile the other one does the lost job 15–25; then each does one."""
    course = simulate(plan(losses=[Loss(1, 12, back=20)]))
    assert (course.makespan, course.lost, course.loading) == (35, 7, 15)


def test_a_loss_that_is_noticed_late_leaves_a_worker_idle():
    """Lost at 14, noticed at 18: the other one is idle from 15 on."""
    late = plan(seconds=[10] * 2, losses=[Loss(1, 14)], noticed=4)
    course = simulate(late)
    assert (course.makespan, course.lost) == (28, 9)


def test_a_machine_that_is_lost_while_it_loads_costs_no_work():
    course = simulate(plan(losses=[Loss(1, 3)]))
    assert (course.makespan, course.lost, course.loading) == (45, 0, 5)


def test_a_job_that_is_lost_too_often_fails():
    """Its second worker is lost at 20: the others go on when machine 0 has loaded again, 30–35."""
    losses = [Loss(1, 12), Loss(0, 20, back=30)]
    course = simulate(plan(losses=losses))
    assert (course.makespan, course.lost, course.failed) == (55, 12, 1)
    assert simulate(plan(losses=losses, tries=3)).failed == 0


def test_without_any_machine_it_does_not_end():
    course = simulate(plan(losses=[Loss(0, 20), Loss(1, 20)]))
    assert math.isinf(course.makespan)


def test_drawn_times_have_their_mean_and_spread():
    drawn = np.array(drawn_seconds(200_000, 60, 0.5, seed=0))
    assert drawn.mean() == pytest.approx(60, rel=0.01)
    assert drawn.std() / drawn.mean() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_a_lost_machine_has_on_average_done_half_a_job_and_more_of_long_ones(spread):
    """The age of what is running at a random moment is E[t²] / (2 E[t]) = t (1 + spread²) / 2 for each worker."""
    course = mean_course(800, 10, spread, Plan((), machines=2, workers=4), back=math.inf)
    assert course.lost == pytest.approx(4 * 10 * (1 + spread**2) / 2, rel=0.15)


def test_the_table_of_the_page_is_what_it_says():
    text = PAGE.read_text(encoding="utf-8")
    (said,) = re.findall(r"^python -m benchmarks\.behaviours\.scheduler (.*)$", text, re.MULTILINE)
    rows = {
        name: (f"{course.makespan / 60:.0f}", f"{course.lost / 60:.1f}")
        for name, course in costs(parse(said.split()))
    }
    listed = {
        name: row for name, *row in re.findall(r"^\| ([a-z, ]+) \| (\d+) \| ([\d.]+) \|$", text, re.MULTILINE)
    }
    assert {name: tuple(row) for name, row in listed.items()} == rows


def test_the_sizes_of_the_page_are_what_its_formulas_say(made):
    text = PAGE.read_text(encoding="utf-8")
    pythia = 19 * 2 * 32768 * 512
    gemma = 26 * 2 * 16384 * (2304 + 2304 + 2048)  # attention is read before its output projection
    for numbers, said in ((pythia, "0.64 billion"), (gemma, "5.67 billion")):
        assert f"{numbers / 1e9:.2f} billion" == said
        assert said in text
    assert f"{(0.07e9 + pythia) * 4 / 1e9:.1f} GB in float32" in text
    assert f"{(2.6e9 + gemma) * 2 / 1e9:.1f} GB in bfloat16" in text
    arrays = read_arrays(made / "circuit.safetensors")
    bytes_of = dict.fromkeys(("nodes", "edges", "candidates"), 0)
    for name, array in arrays.items():
        bytes_of[name.partition(".")[0]] += array.nbytes
    counts = [len(arrays[f"{kind}.effect"]) for kind in bytes_of]
    assert [size / number for size, number in zip(bytes_of.values(), counts, strict=True)] == [40, 32, 40]
    assert f"is {(40 * (100 + 1759) + 32 * 960) / 1e3 + 1:.0f} kB" in text  # and a header of 1 kB
