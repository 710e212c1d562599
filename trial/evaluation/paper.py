"""The whole paper: the judgement, every figure a criterion may name, and the chapters; and its form as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import orjson

from bot.texts import Texts
from trial import cost
from trial.evaluation import budget
from trial.evaluation.calendar import month_key, months
from trial.evaluation.chapters import adoption, money, polls, reach, usage
from trial.evaluation.criteria import Agreement, Judgement, judge
from trial.evaluation.facts import Facts
from trial.evaluation.figures import Contentment, Figure, reckon
from trial.evaluation.saving import Saving
from trial.evaluation.table import Chapter, Maker


@dataclass(frozen=True, slots=True)
class Paper:
    """What the division chief hands on. `ends` no longer belongs to the trial."""

    simulated: bool
    seed: int | None
    starts: date
    ends: date
    staff: int
    accounts: int
    judgements: tuple[Judgement, ...]
    figures: Mapping[str, Figure]
    chapters: tuple[Chapter, ...]
    texts: Texts

    @property
    def notice(self) -> str:
        """Who the people are: simulated ones are never left without this sentence."""
        return self.texts("notice.simulated" if self.simulated else "notice.real")

    @property
    def last_day(self) -> date:
        """The trial's last day, as people say until when it was."""
        return self.ends - timedelta(days=1)

    def decided(self, judgement: Judgement) -> str:
        """What in the parameters decides a figure; empty for a real trial, and for what the program itself does."""
        key = f"decided.{judgement.criterion.figure}"
        if not self.simulated or key not in self.texts:
            return ""
        return self.texts("decided_by", parameter=self.texts(key))

    def verdicts(self) -> dict[str, int]:
        """How many criteria were met, missed, and cannot be judged."""
        return {
            verdict: sum(judgement.verdict == verdict for judgement in self.judgements)
            for verdict in ("met", "missed", "unknown")
        }

    def as_json(self) -> bytes:
        """`evaluation.json`: UTF-8, indented, one order of fields; the same facts give the same bytes."""
        fields = {
            "simulated": self.simulated,
            "notice": self.notice,
            "seed": self.seed,
            "starts": self.starts,
            "ends": self.last_day,
            "staff": self.staff,
            "accounts": self.accounts,
            "verdicts": self.verdicts(),
            "criteria": [self._judgement(judgement) for judgement in self.judgements],
            "figures": {key: self._figure(figure) for key, figure in self.figures.items()},
            "chapters": [
                {"key": chapter.key, "title": chapter.title, "tables": [table.as_json() for table in chapter.tables]}
                for chapter in self.chapters
            ],
        }
        return orjson.dumps(fields, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    def _figure(self, figure: Figure) -> dict[str, Any]:
        return {
            "label": self.texts(f"figure.{figure.key}.label"),
            "value": figure.value,
            "unit": figure.unit,
            "nature": figure.nature,
            "simulated": self.simulated and figure.nature == "counted",
            "definition": self.texts(f"figure.{figure.key}.definition"),
            "source": self.texts(f"figure.{figure.key}.source"),
        }

    def _judgement(self, judgement: Judgement) -> dict[str, Any]:
        criterion = judgement.criterion
        return {
            "name": criterion.name,
            "figure": criterion.figure,
            "value": judgement.figure.value,
            "at_least": criterion.at_least,
            "at_most": criterion.at_most,
            "verdict": judgement.verdict,
            "reason": criterion.reason,
            "decided_by": self.decided(judgement),
        }


def write(
    facts: Facts,
    agreement: Agreement,
    tiers: Sequence[cost.Tier],
    *,
    tax_percent: int,
    reading: cost.Reading,
    texts: Texts,
) -> Paper:
    """Reckon everything. `reading` of the price table is the one that figures of the first full year go by.

    An installation without a single member needs no accounts; it is reckoned as one, the price table's first.
    """
    make = Maker(texts)
    accounts = agreement.budget.accounts or max(1, facts.everybody.registered)
    plans = budget.plans(accounts, facts.ends, tiers, tax_percent)
    chosen = next(plan for plan in plans if plan.reading == reading)
    savings = _savings(facts, agreement, accounts)
    seen = dict(savings)["active"]
    asked = agreement.satisfaction
    contentment = Contentment.of(facts, asked.survey, asked.question, asked.satisfied_from)
    figures = reckon(facts, contentment, seen, chosen, accounts)
    chapters = (
        adoption.chapter(make, facts),
        reach.chapter(make, facts),
        polls.replies(make, facts),
        polls.surveys(make, facts),
        usage.talk(make, facts),
        usage.problems(make, facts),
        money.saving(make, savings),
        money.cost(make, plans, budget.offers(accounts, tiers, tax_percent), agreement),
    )
    return Paper(
        simulated=facts.simulated,
        seed=facts.seed,
        starts=facts.starts,
        ends=facts.ends,
        staff=facts.everybody.staff,
        accounts=accounts,
        judgements=judge(agreement.criteria, figures),
        figures=figures,
        chapters=chapters,
        texts=texts,
    )


def _savings(facts: Facts, agreement: Agreement, accounts: int) -> list[tuple[str, Saving]]:
    """The published example, everybody who would have an account, and only those who were seen to use it.

    Those are the mean of the trial's months, so that use which grew, or faded, is neither hidden nor taken as a whole.
    """
    assumed = agreement.time_saved
    by_month = [facts.everybody.active.get(month_key(month), 0) for month in months(facts.starts, facts.ends)]
    active = sum(by_month) // len(by_month)
    return [
        (whose, Saving(staff, Fraction(str(assumed.minutes_a_day)), assumed.days, assumed.yen_an_hour))
        for whose, staff in (("published", assumed.staff), ("accounts", accounts), ("active", active))
    ]
