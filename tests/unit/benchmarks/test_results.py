"""The page of results says what the figures in the repository say."""

from benchmarks.results import FOLDER, PAGE, compose


def test_the_page_is_composed_of_the_figures():
    assert PAGE.read_text(encoding="utf-8") == compose(FOLDER), "run: python -m benchmarks.results"
