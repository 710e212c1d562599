"""The roster: a file from personnel becomes the staff directory, after people have seen the difference.

`read_file` takes a file or lists everything that must be mended; `plan` compares it with the directory; `apply` does in
one transaction what the plan shows, or refuses; `undo` takes the last import back; `staff`, `to_csv` and `to_xlsx` give
the directory out in a form that imports back without a difference.
"""

from bot.roster.applying import apply
from bot.roster.difference import MOST_LEAVE, Change, FieldChange, Plan, plan
from bot.roster.export import staff, to_csv, to_xlsx
from bot.roster.model import BrokenRoster, DepartmentPath, Person, Problem, Roster, Source
from bot.roster.reading import read, read_file
from bot.roster.tables import roster_imports
from bot.roster.undoing import Import, last_import, undo
from bot.roster.wording import describe, describe_problems

__all__ = [
    "MOST_LEAVE",
    "BrokenRoster",
    "Change",
    "DepartmentPath",
    "FieldChange",
    "Import",
    "Person",
    "Plan",
    "Problem",
    "Roster",
    "Source",
    "apply",
    "describe",
    "describe_problems",
    "last_import",
    "plan",
    "read",
    "read_file",
    "roster_imports",
    "staff",
    "to_csv",
    "to_xlsx",
    "undo",
]
