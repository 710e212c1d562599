"""Tables of the questionnaires.

How an anonymous survey keeps its word (`docs/anonymity.md` has the reasoning):

- While it is open, a person's answers lie sealed in `survey_participants.sheet`. The key is in a file outside of the
  database; every sheet of a survey has the same length.
- When it closes, the finished sheets move to `survey_sheets` in an order drawn by lot, under ids drawn by lot, without
  a time; the sealed ones are emptied and the key is destroyed. From then on nobody can tell, with any backup.
- What remains with the person is that they took part.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, text

from bot.storage import UtcDateTime, metadata
from bot.tables import BigId

surveys = Table(
    "surveys",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("key", Text, nullable=False, index=True),  # of the definition: the same one each month
    Column("title", Text, nullable=False),
    Column("definition", Text, nullable=False),  # surveys.definition.Definition as JSON, as it was when opened
    Column("anonymity", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("closes_at", UtcDateTime, nullable=False),
    Column("closed_at", UtcDateTime),  # set when it was closed in truth
    Column("next_reminder_at", UtcDateTime),  # NULL once no more are due
    Column("reminders", Integer, nullable=False, server_default=text("0")),  # how many have gone out
    Column("owner", ForeignKey("members.id")),  # who alone may read whose answer is whose; only when confidential
    Column("vault_key", Text),  # the name of the key outside of the database; NULL unless anonymous, and once destroyed
    CheckConstraint("state IN ('open', 'closed')", name="state"),
    CheckConstraint("anonymity IN ('anonymous', 'confidential', 'named')", name="anonymity"),
)

survey_participants = Table(
    "survey_participants",
    metadata,
    Column("survey_id", ForeignKey("surveys.id"), primary_key=True),
    Column("member_id", ForeignKey("members.id"), primary_key=True),
    Column("state", Text, nullable=False),
    Column("awaiting", Text),  # the step that was asked last and is not answered yet
    Column("asked_at", UtcDateTime),  # when it was asked; plain text goes to the question asked last
    Column("sheet", LargeBinary),  # the answers so far: sealed when anonymous, else JSON
    CheckConstraint("state IN ('invited', 'started', 'finished')", name="state"),
    Index("ix_survey_participants_member", "member_id", "asked_at"),
)

survey_sheets = Table(
    "survey_sheets",
    metadata,
    Column("id", Text, primary_key=True),  # drawn by lot
    Column("survey_id", ForeignKey("surveys.id"), nullable=False, index=True),
    Column("member_id", ForeignKey("members.id")),  # NULL when anonymous or imported
    Column("body", Text, nullable=False),  # the finished sheet as JSON, in the order of the definition
    sqlite_with_rowid=False,  # a hidden row number would keep the order of arrival
)

survey_schedules = Table(
    "survey_schedules",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("plan", Text, nullable=False),  # surveys.schedules.Plan as JSON: what opens when, and to whom
    Column("owner", ForeignKey("members.id"), nullable=False),  # who reserved it, and owns each survey it opens
    Column("state", Text, nullable=False),
    Column("next_at", UtcDateTime),  # moved by whoever wins the opening; NULL: none is left
    CheckConstraint("state IN ('waiting', 'done', 'cancelled', 'stopped')", name="state"),
    Index("ix_survey_schedules_next_at", "state", "next_at"),
)
