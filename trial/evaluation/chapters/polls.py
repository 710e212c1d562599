"""What people said: answers to notices, who took part in surveys, and each question month by month."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from bot.clock import to_tokyo
from trial.evaluation.facts import TRAITS, Facts, Poll, Question
from trial.evaluation.figures import share
from trial.evaluation.reach import Reach
from trial.evaluation.table import Cell, Chapter, Column, Maker, Table


def replies(make: Maker, facts: Facts) -> Chapter:
    """Answers to notices: safety, muster, and what the sender asked."""
    return make.chapter("replies", _replies(make, facts) if facts.replies else ())


def surveys(make: Maker, facts: Facts) -> Chapter:
    return make.chapter("surveys", _surveys(make, facts) if facts.polls else ())


def _replies(make: Maker, facts: Facts) -> Iterator[Table]:
    notices = {notice.id: notice for notice in facts.notices}
    rows: list[list[Cell]] = []
    details: list[list[Cell]] = []
    for reply in facts.replies:
        notice, question = notices[reply.notice], make.word("question", reply.question)
        opening: list[Cell] = [f"{to_tokyo(notice.sent_at):%Y-%m-%d %H:%M}", notice.title, question]
        answered = sum(reply.answers.values())
        first = Reach(reply.asked, Counter(reply.minutes))
        coming = share(reply.coming, reply.asked) if reply.question == "muster" else None
        rows.append([*opening, reply.asked, answered, share(answered, reply.asked), first.until(50), coming])
        details += [[*opening, answer, count, share(count, answered)] for answer, count in reply.answers.items()]
    opening_columns = make.columns({"sent_at": "text", "title": "words", "question": "text"})
    counts = make.columns(
        {"asked": "count", "answered": "count", "answered_share": "share", "answered_50": "minutes", "coming": "share"}
    )
    yield make.table("replies", [*opening_columns, *counts], rows)
    counts = make.columns({"answer": "text", "people": "count", "share": "share"})
    yield make.table("reply_answers", [*opening_columns, *counts], details)


def _surveys(make: Maker, facts: Facts) -> Iterator[Table]:
    yield make.table(
        "survey_rounds",
        make.columns(
            {"opened": "text", "survey": "words", "asked": "count", "respondents": "count", "response_share": "share"}
        ),
        [
            [
                f"{to_tokyo(poll.opened_at):%Y-%m-%d}",
                poll.title if poll.closed else make.texts("running", title=poll.title),
                poll.asked,
                poll.respondents,
                share(poll.respondents, poll.asked),
            ]
            for poll in facts.polls
        ],
        charted=["response_share"],
    )
    for key in dict.fromkeys(poll.key for poll in facts.polls):
        rounds = [poll for poll in facts.polls if poll.key == key]
        yield from _participation(make, facts, rounds)
        yield from _questions(make, [poll for poll in rounds if poll.closed])


def _participation(make: Maker, facts: Facts, rounds: Sequence[Poll]) -> Iterator[Table]:
    for trait in TRAITS:
        shares = {
            (poll.id, label): share(finished, asked)
            for poll in rounds
            for of, label, asked, finished in poll.groups
            if of == trait
        }
        labels = [group.label for group in facts.having(trait)]
        if not shares or not any(labels):
            continue
        columns = [make.column("group", "text", make.texts(f"trait.{trait}")), *_rounds(make, rounds)]
        yield make.table(
            "survey_groups",
            columns,
            [[make.label(label), *(shares.get((poll.id, label)) for poll in rounds)] for label in labels],
            name=f"survey_{rounds[0].key}_{trait}",
            charted=[columns[-1].key],
            trait=make.texts(f"trait.{trait}"),
            survey=rounds[0].title,
        )


def _questions(make: Maker, rounds: Sequence[Poll]) -> Iterator[Table]:
    """The questions of the latest round, each beside what earlier rounds said."""
    if not rounds:
        return
    for last in rounds[-1].questions:
        history = [next((each for each in poll.questions if each.key == last.key), None) for poll in rounds]
        name = f"{rounds[0].key}_{last.key}"
        if last.kind == "text":
            yield _words(make, last, name)
            continue
        if last.mean is not None:
            yield make.table(
                "survey_means",
                make.columns({"opened": "text", "answered": "count", "mean": "points", "median": "points"}),
                [
                    [f"{to_tokyo(poll.opened_at):%Y-%m}", question.answered, _rounded(question.mean), question.median]
                    for poll, question in zip(rounds, history, strict=True)
                    if question is not None
                ],
                name=f"{name}_mean",
                charted=["mean"],
                question=last.text,
            )
        columns = [make.column("answer", "words"), *_rounds(make, rounds)]
        yield make.table(
            "survey_question",
            columns,
            [[answer.label, *(_share_of(question, answer.label) for question in history)] for answer in last.answers],
            name=name,
            charted=[columns[1].key, columns[-1].key] if len(rounds) > 1 else [columns[-1].key],
            question=last.text,
        )


def _words(make: Maker, question: Question, name: str) -> Table:
    counted = Counter(question.words)
    rows = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    return make.table(
        "survey_words", make.columns({"answer": "words", "people": "count"}), rows, name=name, question=question.text
    )


def _rounds(make: Maker, rounds: Sequence[Poll]) -> list[Column]:
    """A column of shares for each round, named by its month."""
    return [
        make.column(f"share_{poll.id}", "share", make.texts("month", month=to_tokyo(poll.opened_at).month))
        for poll in rounds
    ]


def _share_of(question: Question | None, label: str) -> float | None:
    if question is None:
        return None
    return next((share(answer.count, question.answered) for answer in question.answers if answer.label == label), None)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
