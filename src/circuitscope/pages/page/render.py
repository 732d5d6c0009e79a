"""A report as one HTML file that needs nothing else: no network, no fonts, no scripts from elsewhere.

The templates, the style and the few lines of script are in ``templates/``. Everything that comes from a report is
made visible and escaped by the templates' environment; the page's policy forbids it to fetch anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from circuitscope.pages.page import page_parts
from circuitscope.pages.page.group_parts import group_cards, groups_not_drawn
from circuitscope.pages.report_content import IndexRow, Report
from circuitscope.pages.words import numbers, score_words, sentences
from circuitscope.pages.words.meanings import MEANINGS
from circuitscope.pages.words.path_words import path_share
from circuitscope.pages.words.strict_words import strict_lines
from circuitscope.pages.words.visible import token_mark, visible
from circuitscope.results import coverage_text

_FOLDER = files("circuitscope.pages.page") / "templates"


@cache
def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("circuitscope.pages.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "token": token_mark,
        "signed": numbers.signed,
        "number": numbers.number,
        "density": numbers.density,
        "anchor": page_parts.anchor,
        "path_share": path_share,
        "score_name": score_words.score_name,
        "completeness_name": score_words.completeness_name,
    }
    found.globals |= {
        "oddities": score_words.oddities,
        "plural": numbers.plural,
        "position_name": sentences.position_name,
        "pieces": page_parts.pieces,
        "differing": page_parts.differing,
        "coverage_text": coverage_text,
        "style": _asset("style.css"),
    }
    return found


def _shown(value: Any) -> Any:
    """What an expression of a template becomes, before it is escaped: text without invisible characters."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> Markup:
    """A file of our own, put into the page as it is."""
    return Markup(_FOLDER.joinpath(name).read_text(encoding="utf-8"))


def html_of(report: Report) -> str:
    """The whole page of a report."""
    strict = report.evaluation.strict if report.evaluation else None
    svg = Markup(page_parts.sweep_svg(report.sweep)) if report.sweep else None
    return (
        _templates()
        .get_template("report.html")
        .render(
            report=report,
            question=report.question,
            answer=sentences.answer(report),
            metric=sentences.metric_sentence(report.question),
            cards=page_parts.cards(report),
            group_cards=group_cards(report),
            not_drawn=groups_not_drawn(report),
            grid=page_parts.grid(report.places),
            sweep_svg=svg,
            strict=strict_lines(strict) if strict else (),
            meanings=MEANINGS,
            script=_asset("page.js"),
        )
    )


def index_html(name: str, rows: Sequence[IndexRow]) -> str:
    """The page of a collection: one line per run."""
    return _templates().get_template("index.html").render(name=name, rows=rows)
