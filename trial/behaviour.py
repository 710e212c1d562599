"""How a simulated person behaves: pure decisions about when they read and what they answer.

Every decision is a function of the seed, the person and the message's reference alone. Nothing that is remembered
depends on what came before, so it does not matter in which order a busy event loop asks. Every parameter:
`config/trial/*.toml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Literal

from bot.clock import to_tokyo
from trial import data
from trial.calendar import at, is_working_day, is_working_time, next_working_day
from trial.chance import delay, stream
from trial.parameters import Parameters
from trial.population import Person

Kind = Literal["notice", "urgent", "reminder"]
"""What asks to be read: `urgent` is an emergency or a drill, also when it rings again; `reminder` that of a notice.

Ordinary talk is read at the looks that people take anyway.
"""
_FAR_DAYS = 20


class Behaviour:
    """The people's habits under one set of parameters and one seed."""

    def __init__(self, parameters: Parameters, seed: int, start: date | None = None) -> None:
        """`start` is the trial's first day, from which people fade; without it, nobody does."""
        self._parameters = parameters
        self._start = start
        self._seed = seed
        self._hours = parameters.hours.working_hours()
        tables = data.load("staff")
        self._skills = list(next(iter(tables["joint"]["cells"].values())))
        self._relevances = list(tables["relevance"])
        # What is asked again and again and never changes; to draw it anew each time would take a while.
        self._absent: dict[tuple[str, date], bool] = {}
        self._phones: dict[str, bool] = {}
        self._dispositions: dict[str, float] = {}
        self._last_days: dict[str, date | None] = {}

    # ------------------------------------------------------------ beginnings

    def signs_in_at(self, person: Person, start: date) -> datetime:
        """When they first sign in: officers and administrators as the first day opens, the others over some days."""
        first = next_working_day(start)
        if person.roles:
            return at(first, self._hours.opens)
        onboarding = self._parameters.onboarding
        random = stream(self._seed, "onboarding", person.login)
        days = int(delay(random, onboarding.days[self._skill(person)], onboarding.spread))
        day = first
        for _ in range(min(days, onboarding.latest_days)):
            day = next_working_day(day + timedelta(days=1))
        minutes = random.uniform(20, 240)  # the administrators have made the rooms by then
        return self.grain(at(day, self._hours.opens) + timedelta(minutes=minutes))

    def has_phone(self, person: Person) -> bool:
        """Whether they have the chat on their own phone."""
        known = self._phones.get(person.login)
        if known is None:
            share = self._parameters.onboarding.phone[self._skill(person)]
            known = self._phones[person.login] = stream(self._seed, "phone", person.login).random() < share
        return known

    def is_absent(self, person: Person, day: date) -> bool:
        """On leave or away all day."""
        known = self._absent.get((person.login, day))
        if known is None:
            drawn = stream(self._seed, "absent", person.login, day).random()
            known = self._absent[person.login, day] = drawn < self._parameters.reading.habits.absent
        return known

    # --------------------------------------------------------------- reading

    def reads_at(self, person: Person, kind: Kind, key: str, sent_at: datetime) -> datetime | None:
        """When they open what was sent to them at `sent_at`, or None if they pass it over."""
        reading = self._parameters.reading
        random = stream(self._seed, "read", person.login, key)
        skill = self._skill(person)
        if kind == "reminder":
            heeds = random.random() < reading.habits.heeds_reminder[skill]
        else:
            easing = reading.habits.passed_over_urgent if kind == "urgent" else 1.0
            heeds = random.random() >= reading.habits.passed_over[skill] * easing
        if not heeds or (kind != "urgent" and self.has_stopped(person, sent_at)):
            return None
        local = to_tokyo(sent_at)
        if is_working_time(local, self._hours) and not self.is_absent(person, local.date()):
            opened = local + timedelta(minutes=self._office_minutes(random, person, kind, local))
            if opened.date() == local.date() and opened.time() < self._hours.closes:
                return self._grained(opened, kind, local)
            local = at(local.date(), self._hours.closes)
        return self._grained(self._off_hours(random, person, kind, local), kind, local)

    def has_stopped(self, person: Person, moment: datetime) -> bool:
        """Whether they use the chat no more; an emergency that rings they still open."""
        fading = self._parameters.reading.habits.fading_per_month
        if not fading or self._start is None:
            return False
        if person.login not in self._last_days:
            random = stream(self._seed, "fading", person.login)
            months = next((month for month in range(1, 25) if random.random() < fading), None)
            self._last_days[person.login] = None if months is None else self._start + timedelta(days=30 * months)
        last = self._last_days[person.login]
        return last is not None and to_tokyo(moment).date() > last

    def next_look(self, person: Person, moment: datetime) -> datetime:
        """When they next look at ordinary talk: a few times in a working day that they are there."""
        local = to_tokyo(moment)
        day = local.date()
        for _ in range(_FAR_DAYS):
            for look in self._looks(person, day):
                if look > local:
                    return look
            day = next_working_day(day + timedelta(days=1))
        return at(day, self._hours.opens)

    def grain(self, moment: datetime) -> datetime:
        """The next moment, strictly later, on the grain of ordinary office life."""
        return _next_multiple(moment, self._parameters.reading.habits.office_tick)

    # --------------------------------------------------------------- answers

    def answers_notice_at(self, person: Person, notice: str, opened: datetime) -> datetime | None:
        """When they press an answer under a notice that they opened, or None."""
        answers = self._parameters.answers
        random = stream(self._seed, "answer", person.login, notice)
        if random.random() >= answers.answers[self._skill(person)]:
            return None
        return _next_multiple(opened + timedelta(minutes=delay(random, answers.minutes, answers.spread)), 1)

    def changes_answer_at(self, person: Person, notice: str, answered: datetime) -> datetime | None:
        """When they change what they answered, or None."""
        answers = self._parameters.answers
        random = stream(self._seed, "change", person.login, notice)
        if random.random() >= answers.changes:
            return None
        return _next_multiple(answered + timedelta(minutes=delay(random, answers.change_minutes, answers.spread)), 1)

    def refines_answer(self, person: Person, notice: str) -> bool:
        """Whether they also say when they arrive, or why they cannot come."""
        return stream(self._seed, "refine", person.login, notice).random() < self._parameters.answers.refines

    def picks(self, person: Person, notice: str, labels: Sequence[str]) -> str:
        """Which of these buttons they press."""
        weights = [self._parameters.answers.weights.get(label, 1.0) for label in labels]
        picked: str = stream(self._seed, "pick", person.login, notice, *labels).choices(labels, weights)[0]
        return picked

    # --------------------------------------------------------------- surveys

    def starts_survey_at(
        self, person: Person, key: str, opened: datetime, *, reminded: bool = False
    ) -> datetime | None:
        """When they begin to answer after they opened the invitation (or a reminder of it), or None."""
        surveys = self._parameters.surveys
        random = stream(self._seed, "survey", person.login, key)
        if random.random() >= (surveys.reminded if reminded else surveys.answers[self._skill(person)]):
            return None
        return self.grain(opened + timedelta(minutes=delay(random, surveys.start_minutes, surveys.spread)))

    def answers_at(self, person: Person, key: str, asked: datetime) -> datetime:
        """When the answer to a question that came at `asked` is ready."""
        minutes = stream(self._seed, "ponder", person.login, key).randint(1, self._parameters.surveys.question_minutes)
        return _next_multiple(asked, 1) + timedelta(minutes=minutes - 1)

    def chooses(self, person: Person, key: str, count: int, months: int, *, best_first: bool) -> int:
        """Which of `count` choices from bad to good (or from good to bad): an index from 0."""
        random = stream(self._seed, "choose", person.login, key)
        feeling = self._contentment(person, months) + random.gauss(0.0, self._parameters.surveys.scale_labels)
        place = min(count - 1, max(0, int(feeling * count)))
        return count - 1 - place if best_first else place

    def ticks(self, person: Person, key: str, count: int, months: int) -> list[int]:
        """Which of `count` good things they tick, as indexes from 0; may be none."""
        random = stream(self._seed, "tick", person.login, key)
        share = self._contentment(person, months) * self._parameters.surveys.chooses
        return [place for place in range(count) if random.random() < share]

    def writes(self, person: Person, key: str, months: int) -> str | None:
        """A sentence for a free text, or None."""
        random = stream(self._seed, "words", person.login, key)
        if random.random() >= self._parameters.surveys.free_text:
            return None
        mood = "good" if random.random() < self._contentment(person, months) else "bad"
        sentence: str = random.choice(data.load("phrases")["free_text"][mood])
        return sentence

    # -------------------------------------------------------------- in private

    def _skill(self, person: Person) -> int:
        return self._skills.index(person.skill)

    def _pace(self, person: Person) -> float:
        office = self._parameters.reading.office
        relevance = office.relevance[self._relevances.index(person.relevance)]
        return office.skill[self._skill(person)] * office.age.get(person.age, 1.0) * relevance

    def _office_minutes(self, random: Random, person: Person, kind: Kind, local: datetime) -> float:
        office = self._parameters.reading.office
        median = {
            "notice": office.notice_minutes,
            "urgent": office.urgent_minutes,
            "reminder": office.reminder_minutes,
        }[kind]
        at_lunch = self._hours.lunch_from <= local.time() < self._hours.lunch_until
        return delay(random, median * self._pace(person) * (office.lunch if at_lunch else 1.0), office.spread)

    def _off_hours(self, random: Random, person: Person, kind: Kind, local: datetime) -> datetime:
        """On the own phone, if there is one and it is looked at; otherwise as the next day at the office begins."""
        phone = self._parameters.reading.phone
        start_of_day = self._start_of_day(random, person, local)
        if not self.has_phone(person):
            return start_of_day
        asleep = local.time() >= phone.asleep_from or local.time() < phone.asleep_until
        if kind != "urgent":
            noticed = not asleep and random.random() < phone.notice
            opened = local + timedelta(minutes=delay(random, phone.calm_minutes, phone.spread))
        else:
            noticed = random.random() < (phone.urgent_asleep if asleep else phone.urgent)
            opened = local + timedelta(minutes=delay(random, phone.minutes * self._pace(person), phone.spread))
            if not noticed and asleep and random.random() < phone.before_work:
                opened, noticed = self._after_waking(random, local), True
        return min(opened, start_of_day) if noticed else start_of_day

    def _after_waking(self, random: Random, local: datetime) -> datetime:
        phone = self._parameters.reading.phone
        morning = local.date() + timedelta(days=1 if local.time() >= phone.asleep_from else 0)
        opened = at(morning, self._hours.opens) - timedelta(minutes=random.expovariate(1 / phone.before_work_minutes))
        return max(opened, at(morning, phone.asleep_until))

    def _start_of_day(self, random: Random, person: Person, local: datetime) -> datetime:
        day = local.date()
        if local.time() >= self._hours.opens:
            day += timedelta(days=1)
        day = next_working_day(day)
        for _ in range(_FAR_DAYS):
            if not self.is_absent(person, day):
                break
            day = next_working_day(day + timedelta(days=1))
        minutes = random.expovariate(1 / self._parameters.reading.habits.start_of_day_minutes) * self._pace(person)
        return at(day, self._hours.opens) + timedelta(minutes=min(minutes, 8 * 60.0))

    def _looks(self, person: Person, day: date) -> Sequence[datetime]:
        if not is_working_day(day) or self.is_absent(person, day):
            return ()
        random = stream(self._seed, "looks", person.login, day)
        opens, closes = at(day, self._hours.opens), at(day, self._hours.closes)
        times = self._parameters.talk.looks[self._skill(person)]
        return sorted(self.grain(opens + (closes - opens) * random.random()) for _ in range(times))

    def _contentment(self, person: Person, months: int) -> float:
        """From 0 to 1: a lasting disposition, and getting used to it."""
        surveys = self._parameters.surveys
        lasting = self._dispositions.get(person.login)
        if lasting is None:
            lasting = stream(self._seed, "contentment", person.login).gauss(0.0, surveys.contentment_spread)
            self._dispositions[person.login] = lasting
        feeling = surveys.contentment[self._skill(person)] + lasting + surveys.growth_per_month * months
        return min(1.0, max(0.0, feeling))

    def _grained(self, moment: datetime, kind: Kind, sent_at: datetime) -> datetime:
        """On the grain of what it is; who reads at once must not all read a quarter of an hour later."""
        if kind == "urgent":
            return _next_multiple(moment, 1)
        habits = self._parameters.reading.habits
        early = moment - sent_at < timedelta(minutes=habits.office_tick)
        return _next_multiple(moment, habits.early_tick) if early else self.grain(moment)


def _next_multiple(moment: datetime, minutes: int) -> datetime:
    """The next full `minutes` of the hour after `moment`, strictly later, so that nobody answers before being asked."""
    whole = moment.replace(second=0, microsecond=0)
    return whole + timedelta(minutes=minutes - whole.minute % minutes)
