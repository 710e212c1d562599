"""A small trial by hand: four people, two months, three notices of which one was recalled, two surveys."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from bot.texts import Texts
from trial.cost import Reading, Tier
from trial.evaluation import paper
from trial.evaluation.criteria import Agreement
from trial.evaluation.facts import WHOLE, Answer, Facts, Group, Notice, Poll, Question, Reply, Wait

TIERS = [Tier(1, 400), Tier(501, 350), Tier(3001, 300), Tier(10001, None)]
SENT = datetime(2023, 7, 10, 0, 30, tzinfo=UTC)  # 9:30 in Japan
NIGHT = datetime(2023, 8, 15, 17, 10, tzinfo=UTC)  # 2:10 on the 16th in Japan

AGREEMENT = {
    "time_saved": {"minutes_a_day": 11, "days": 240, "yen_an_hour": 4000, "staff": 1142},
    "criteria": [
        {"name": "使われた", "figure": "used_share", "at_least": 0.75},
        {"name": "届いた", "figure": "undelivered", "at_most": 0},
        {"name": "参集した", "figure": "muster_coming_share", "at_least": 0.5},
        {"name": "訓練", "figure": "drill_read_share_1h", "at_least": 0.8, "reason": "初動"},
    ],
}


def satisfaction(mean: float, fours: int) -> Question:
    answers = tuple(Answer(f"{value}", value, fours if value == 4 else 1) for value in range(1, 6))
    return Question("satisfaction", "使い心地は", "scale", fours + 4, answers, mean, 4.0)


def polls() -> tuple[Poll, ...]:
    words = Question("comment", "ご意見", "text", 3, (), words=("速い", "遅い", "=1+1", "速い"))
    rounds = [
        Poll(
            id=number,
            key="trial-feedback",
            title="アンケート",
            opened_at=datetime(2023, 6 + number, 20, 1, tzinfo=UTC),
            closed=number < 3,
            asked=10,
            respondents=number + 4,
            questions=(satisfaction(2.5 + number, number), words),
            groups=(("skill", "高い", 6, number), ("skill", "", 4, 0)),
        )
        for number in (1, 2, 3)
    ]
    return (*rounds[:2], replace(rounds[2], questions=()))


def facts(**changes: object) -> Facts:
    waits = [
        *(Wait(1, trait, label, minutes, people) for trait in ("everybody",) for label, minutes, people in
          (("", 5, 1), ("", 60, 2), ("", None, 1))),
        Wait(2, "everybody", "", 61, 3),
        Wait(2, "everybody", "", None, 1),
        Wait(3, "everybody", "", 1, 1),
        Wait(3, "everybody", "", None, 3),
        *(Wait(1, "skill", label, minutes, 1) for label, minutes in (("高い", 5), ("高い", 60), ("", 60), ("", None))),
    ]  # fmt: skip
    everything = Facts(
        simulated=True,
        seed=7,
        starts=date(2023, 7, 1),
        ends=date(2023, 9, 1),
        groups=(
            Group("everybody", "", 4, 4, {WHOLE: 3, "2023-07": 3, "2023-08": 2, "2023-07-10": 3}),
            Group("skill", "", 2, 2, {}),
            Group("skill", "高い", 2, 2, {WHOLE: 2, "2023-08": 1}),
        ),
        notices=(
            Notice(1, "notice", "健康診断の予約", SENT, 1, 4, 3),
            Notice(3, "emergency", "誤って送った連絡", NIGHT, 0, 4, 1, recalled=True),
            Notice(2, "emergency", "=cmd|' /C calc'!A0", NIGHT, 4, 4, 3),
        ),
        waits=waits,
        replies=(
            Reply(
                2, "muster", 4, {"参集する": 1, "参集する（30分以内）": 1, "参集できない": 1}, {3: 2, 90: 1}, coming=2
            ),
            Reply(2, "safety", 4, {"無事": 4}, {1: 4}),
        ),
        polls=polls(),
        problems=((SENT, "<b>通知</b>が来ません"), (NIGHT, "重い")),
        service={"messages": 12, "rooms": 2, "active:2023-08": 4},
        sent=9,
    )
    return replace(everything, **changes)  # type: ignore[arg-type] # the names of its own fields


def written(found: Facts | None = None, *, reading: Reading = "all", **agreement: object) -> paper.Paper:
    return paper.write(
        found or facts(),
        Agreement.model_validate(AGREEMENT | agreement),
        TIERS,
        tax_percent=10,
        reading=reading,
        texts=Texts("trial.evaluation"),
    )
