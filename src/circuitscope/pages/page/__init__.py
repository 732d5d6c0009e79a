"""The report of a circuit as one page: its content as plain values, and the HTML made of it."""

from circuitscope.pages.page.make_report import LookedUp, make_report
from circuitscope.pages.page.render import html_of, index_html
from circuitscope.pages.page.report_labels import report_labels
from circuitscope.pages.page.report_page import ReportPage
from circuitscope.pages.report_content import ExampleText, IndexRow, Report, RunOrigin, read_report

__all__ = [
    "ExampleText",
    "IndexRow",
    "LookedUp",
    "Report",
    "ReportPage",
    "RunOrigin",
    "html_of",
    "index_html",
    "make_report",
    "read_report",
    "report_labels",
]
