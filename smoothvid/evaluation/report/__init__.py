"""The report of an evaluation: one HTML page that needs nothing beside itself.

    write_report(Path("report.html"), found.result, found.shown)

page      the page: what is shown, in which order
tables    the tables of figures
words     how each figure is read
pictures  clips, pixel slices and matrices as videos and pictures
html      pieces of such a page, the demo's too: videos, pictures, curves, tables
style     their style sheet
"""

from smoothvid.evaluation.report.page import write_report
from smoothvid.evaluation.report.pictures import Shown

__all__ = ["Shown", "write_report"]
