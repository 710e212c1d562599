"""What happens in the months of the trial: a plan made before it begins, from the calendar and the seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from trial import data
from trial.behaviour import Behaviour
from trial.calendar import at, days, months_later, next_working_day, working_days
from trial.chance import delay, stream
from trial.parameters import Parameters
from trial.population import Person

BroadcastKind = Literal["notice", "emergency", "drill"]


@dataclass(frozen=True, slots=True)
class Notice:
    """An officer sends to all staff."""

    at: datetime
    kind: BroadcastKind
    text: str


@dataclass(frozen=True, slots=True)
class Correct:
    """An officer corrects the last notice."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class TakeBack:
    """An officer recalls the last notice: it was a mistake."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Poll:
    """An administrator opens the month's survey, and looks at its results once it is closed."""

    at: datetime
    open_days: int
    results_at: datetime


@dataclass(frozen=True, slots=True)
class Reply:
    """Somebody answers with a quote, or with a stamp (`text` is its name)."""

    login: str
    at: datetime
    text: str
    stamp: bool


@dataclass(frozen=True, slots=True)
class Talk:
    """Somebody writes into their department's room, and some colleagues answer."""

    at: datetime
    login: str
    text: str
    with_file: bool
    replies: tuple[Reply, ...]


@dataclass(frozen=True, slots=True)
class PairTalk:
    """Somebody writes to one colleague."""

    at: datetime
    login: str
    to: str
    text: str


@dataclass(frozen=True, slots=True)
class SiteReport:
    """Somebody posts where they are and what they see there."""

    at: datetime
    login: str
    label: str
    latitude: float
    longitude: float
    text: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Somebody tells the bot that something does not work."""

    at: datetime
    login: str
    text: str


Event = Notice | Correct | TakeBack | Poll | Talk | PairTalk | SiteReport | Trouble


class Storyline:
    """The plan of one trial."""

    def __init__(
        self, parameters: Parameters, people: Sequence[Person], *, start: date, months: int, seed: int
    ) -> None:
        self._parameters = parameters
        self._people = people
        self._start = start
        self._end = months_later(start, months)
        self._months = months
        self._seed = seed
        self._behaviour = Behaviour(parameters, seed)
        self._phrases = data.load("phrases")

    def events(self) -> list[Event]:
        """Everything that is going to happen, in its order."""
        events: list[Event] = [*self._weekly(), *self._drills(), *self._typhoons(), *self._polls()]
        events += [*self._talks(), *self._pairs(), *self._troubles()]
        end = at(self._end, self._parameters.hours.opens).replace(hour=0, minute=0)
        first = at(next_working_day(self._start), self._parameters.hours.opens)
        return sorted((event for event in events if first < event.at < end), key=lambda event: event.at)

    # --------------------------------------------------------------- notices

    def _weekly(self) -> Iterator[Notice]:
        """On the first working day of each week, with another text every week; the first week is for onboarding."""
        texts = self._phrases["broadcasts"]["notice"]
        first_days: dict[tuple[int, int], date] = {}
        for day in working_days(self._start, self._end):
            first_days.setdefault(day.isocalendar()[:2], day)
        for number, day in enumerate(list(first_days.values())[1:]):
            yield Notice(at(day, self._parameters.storyline.notice_at), "notice", texts[number % len(texts)])

    def _drills(self) -> Iterator[Notice]:
        story = self._parameters.storyline
        for day in days(self._start, self._end):
            if (day.month, day.day) == story.drill_day:
                held = at(next_working_day(day), story.drill_at)
                yield Notice(held, "drill", self._phrases["broadcasts"]["drill"][0])

    def _typhoons(self) -> Iterator[Notice | Correct | TakeBack | SiteReport]:
        """One night of emergencies in the month of typhoons; times before noon belong to the next morning."""
        story = self._parameters.storyline
        texts = self._phrases["broadcasts"]["emergency"]
        for year in range(self._start.year, self._end.year + 1):
            day = stream(self._seed, "typhoon", year).randint(*story.typhoon_days)
            night = date(year, story.typhoon_month, day)
            if not self._start <= night < self._end:
                continue
            moments = [at(night + timedelta(days=moment.hour < 12), moment) for moment in story.typhoon_at]
            for number, moment in enumerate(moments):
                yield Notice(moment, "emergency", texts[number % len(texts)])
                yield from self._afterwards(number, moment)
            if moments:
                yield from self._site_reports(moments[-1])

    def _afterwards(self, number: int, moment: datetime) -> Iterator[Correct | TakeBack]:
        story, corrected = self._parameters.storyline, self._phrases["broadcasts"]["corrected"]
        if number == corrected["place"]:
            yield Correct(moment + timedelta(minutes=story.correction_minutes), corrected["text"])
        if number == self._phrases["broadcasts"]["recalled"]["place"]:
            yield TakeBack(moment + timedelta(minutes=story.recall_minutes))

    def _site_reports(self, moment: datetime) -> Iterator[SiteReport]:
        """As it gets light, those who look after the roads report from outside, where they have a phone."""
        crew = [person for person in self._people if person.department == "都市整備部"]
        outside = [person for person in crew if self._behaviour.has_phone(person)]
        for number, (site, person) in enumerate(zip(self._phrases["talk"]["site"], outside, strict=False), start=1):
            yield SiteReport(moment + timedelta(minutes=20 * number), person.login, **site)

    # --------------------------------------------------------------- surveys

    def _polls(self) -> Iterator[Poll]:
        story = self._parameters.storyline
        for number in range(self._months + 1):
            month = months_later(self._start.replace(day=1), number)
            day = next_working_day(month.replace(day=story.survey_day))
            opened = at(day, story.survey_at)
            closed = next_working_day(day + timedelta(days=story.survey_open_days + 1))
            if self._start <= day < self._end:
                yield Poll(opened, story.survey_open_days, at(closed, story.survey_at))

    # ------------------------------------------------------------------ talk

    def _talks(self) -> Iterator[Talk]:
        talk, phrases = self._parameters.talk, self._phrases["talk"]
        by_department: dict[str, list[Person]] = {}
        for person in self._people:
            by_department.setdefault(person.department, []).append(person)
        for day in working_days(self._start, self._end):
            for department, colleagues in by_department.items():
                random = stream(self._seed, "talk", department, day)
                if random.random() >= talk.per_department_and_day:
                    continue
                here = [person for person in colleagues if not self._behaviour.is_absent(person, day)]
                if not here:
                    continue
                opener = random.choice(here)
                begins = self._office_moment(day, random.random())
                yield Talk(
                    at=begins,
                    login=opener.login,
                    text=random.choice(phrases["openers"]),
                    with_file=random.random() < talk.file,
                    replies=tuple(self._replies(begins, opener, here)),
                )

    def _replies(self, begins: datetime, opener: Person, here: Sequence[Person]) -> list[Reply]:
        talk, phrases = self._parameters.talk, self._phrases["talk"]
        replies = []
        for person in here:
            random = stream(self._seed, "reply", person.login, begins)
            draw = random.random()
            if person is opener or draw >= talk.reply + talk.stamp:
                continue
            stamp = draw >= talk.reply
            text = random.choice(phrases["stamps" if stamp else "replies"])
            moment = self._behaviour.grain(begins + timedelta(minutes=delay(random, talk.answer_minutes, talk.spread)))
            replies.append(Reply(person.login, moment, text, stamp))
        return sorted(replies, key=lambda reply: (reply.at, reply.login))[: talk.most_answers]

    def _pairs(self) -> Iterator[PairTalk]:
        for day in working_days(self._start, self._end):
            random = stream(self._seed, "pairs", day)
            expected = self._parameters.talk.pair_talk_per_day * len(self._people) / 100
            count = int(expected) + (random.random() < expected % 1)
            for _ in range(count):
                one, other = random.sample(self._people, 2)
                text = random.choice(self._phrases["talk"]["pairs"])
                yield PairTalk(self._office_moment(day, random.random()), one.login, other.login, text)

    def _troubles(self) -> Iterator[Trouble]:
        """Most in the first month, and fewer each month, as what was reported is mended and people find their way."""
        talk, texts = self._parameters.talk, self._phrases["trouble"]
        for number in range(self._months):
            random = stream(self._seed, "trouble", number)
            month = list(working_days(months_later(self._start, number), months_later(self._start, number + 1)))
            expected = talk.problems_per_month * talk.problems_kept**number * len(self._people) / 100
            for _ in range(int(expected) + (random.random() < expected % 1)):
                moment = self._office_moment(random.choice(month), random.random())
                yield Trouble(moment, random.choice(self._people).login, random.choice(texts))

    def _office_moment(self, day: date, part: float) -> datetime:
        hours = self._parameters.hours
        opens, closes = at(day, hours.opens), at(day, hours.closes)
        return self._behaviour.grain(opens + (closes - opens) * (0.1 + 0.7 * part))
