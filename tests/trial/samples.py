"""A report to look at: three notices, one survey, six months."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from trial import cost
from trial.chance import delay, stream
from trial.population import populate
from trial.report import figures
from trial.report.model import Broadcast, Report, Rooms

TIERS = [cost.Tier(1, 400), cost.Tier(501, 350), cost.Tier(3001, 300), cost.Tier(10001, None)]


def sample_broadcast(id: int, kind: str, title: str, sent_at: datetime, median: float = 40.0) -> Broadcast:
    receipts = []
    for person in populate(225, 1):
        random = stream(1, id, person.login)
        read = None if random.random() < 0.1 else sent_at + timedelta(minutes=delay(random, median, 1.4))
        receipts.append(figures.Receipt(person.department, read))
    return figures.broadcast(
        id=id, kind=kind, title=title, sent_at=sent_at, receipts=receipts, delivered=225, duplicates=0, reminders=38
    )


def sample_report(*, staff: int = 225, wall_seconds: float = 12.5) -> Report:
    tables = [
        figures.table(
            key="ease",
            question="使いやすいですか",
            kind="scale",
            respondents=150,
            counts={"とても使いやすい": 40, "使いやすい": 70, "どちらとも": 30, "使いにくい": 10},
        ),
        figures.table(
            key="wish",
            question="ご意見",
            kind="text",
            respondents=10,
            counts={"<script>alert(1)</script>": 1, "特になし": 9},
        ),
    ]
    return Report(
        notice="職員は架空です。",
        seed=1,
        start=date(2023, 7, 1),
        staff=staff,
        months=6,
        virtual_days=184,
        wall_seconds=wall_seconds,
        events_in=21034,
        messages_out=3201,
        rooms=Rooms(count=12, largest=225),
        broadcasts=figures.in_order(
            [
                sample_broadcast(3, "emergency", "【緊急】台風第14号", datetime(2023, 10, 12, 10, tzinfo=UTC), 8),
                sample_broadcast(1, "notice", "省エネ月間のお願い", datetime(2023, 7, 3, 0, 30, tzinfo=UTC)),
                sample_broadcast(2, "drill", "【訓練】シェイクアウト", datetime(2023, 9, 1, 1, tzinfo=UTC), 6),
            ]
        ),
        surveys=(figures.survey(id=1, title="試行の感想", asked=225, respondents=150, tables=tables),),
        adoption=figures.adoption(
            {"2023-07": 190, "2023-08": 201, "2023-10": 214}, staff=staff, start=date(2023, 7, 1), months=6
        ),
        cost=figures.costs(staff, TIERS, reading="all", tax_percent=10),
    )
