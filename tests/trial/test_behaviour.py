from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clock import to_tokyo
from tests.trial.stage import DEFAULT
from trial.behaviour import Behaviour, Kind
from trial.calendar import at, is_working_day
from trial.parameters import Parameters, load_parameters
from trial.population import Person, populate

PARAMETERS = load_parameters(DEFAULT)
BEHAVIOUR = Behaviour(PARAMETERS, seed=1)
PEOPLE = populate(225, seed=1)
MONDAY = at(date(2023, 7, 3), time(9, 30))
NIGHT = at(date(2023, 10, 12), time(1, 30))


def changed(**changes: object) -> Parameters:
    """The default parameters with others of one section, such as `reading.habits`."""
    fields = PARAMETERS.model_dump()
    for path, value in changes.items():
        part = fields
        *sections, name = path.split("__")
        for section in sections:
            part = part[section]
        assert name in part
        part[name] = value
    return Parameters.model_validate(fields)


def waits(kind: Kind, sent_at: datetime, people: list[Person]) -> list[float]:
    """Minutes until each of these reads a message, for those who do."""
    moments = [BEHAVIOUR.reads_at(person, kind, "broadcast:1", sent_at) for person in people]
    return [(moment - sent_at).total_seconds() / 60 for moment in moments if moment is not None]


@given(
    st.sampled_from(PEOPLE),
    st.sampled_from(["notice", "urgent", "reminder"]),
    st.datetimes(datetime(2023, 7, 1), datetime(2024, 1, 10)),  # noqa: DTZ001 - Japanese wall time, made aware below
)
def test_nobody_reads_before_it_was_sent_and_everybody_on_full_minutes(
    person: Person, kind: Kind, local: datetime
) -> None:
    sent_at = at(local.date(), local.time())
    moment = BEHAVIOUR.reads_at(person, kind, "broadcast:1", sent_at)
    if moment is not None:
        assert moment > sent_at
        assert moment.second == moment.microsecond == 0
        assert moment - sent_at < timedelta(days=40)
        if kind == "notice":
            habits = PARAMETERS.reading.habits
            early = moment - sent_at <= timedelta(minutes=habits.office_tick + habits.early_tick)
            assert moment.minute % (habits.early_tick if early else habits.office_tick) == 0


def test_a_decision_does_not_depend_on_what_was_asked_before() -> None:
    forwards = [BEHAVIOUR.reads_at(person, "notice", "broadcast:3", MONDAY) for person in PEOPLE]
    fresh = Behaviour(PARAMETERS, seed=1)
    backwards = [fresh.reads_at(person, "notice", "broadcast:3", MONDAY) for person in reversed(PEOPLE)]
    assert forwards == backwards[::-1]
    assert forwards != [BEHAVIOUR.reads_at(person, "notice", "broadcast:4", MONDAY) for person in PEOPLE]
    assert forwards != [Behaviour(PARAMETERS, 2).reads_at(person, "notice", "broadcast:3", MONDAY) for person in PEOPLE]


def test_skilled_people_read_sooner_and_pass_less_over() -> None:
    able = [person for person in PEOPLE if person.skill == "十分使いこなせている"]
    unable = [person for person in PEOPLE if person.skill == "どちらかと言えば使いこなせていない"]
    assert median(waits("notice", MONDAY, able)) < median(waits("notice", MONDAY, unable))
    assert len(waits("notice", MONDAY, able)) / len(able) > len(waits("notice", MONDAY, unable)) / len(unable)


def test_an_emergency_is_read_sooner_than_a_notice_in_the_office() -> None:
    assert median(waits("urgent", MONDAY, PEOPLE)) * 2 < median(waits("notice", MONDAY, PEOPLE))


def test_at_night_an_emergency_wakes_some_and_only_those_with_a_phone() -> None:
    opens = at(NIGHT.date(), PARAMETERS.hours.opens)
    early = [
        person
        for person in PEOPLE
        if (moment := BEHAVIOUR.reads_at(person, "urgent", "broadcast:1", NIGHT)) is not None and moment < opens
    ]
    assert 30 < len(early) < 190
    assert all(BEHAVIOUR.has_phone(person) for person in early)


def test_a_notice_at_night_wakes_nobody() -> None:
    assert min(waits("notice", NIGHT, PEOPLE)) >= 6 * 60


def test_what_comes_on_a_friday_evening_is_read_on_monday_by_those_without_a_phone() -> None:
    friday = at(date(2023, 7, 7), time(18))
    for person in PEOPLE:
        moment = BEHAVIOUR.reads_at(person, "notice", "broadcast:1", friday)
        if moment is not None and not BEHAVIOUR.has_phone(person):
            assert is_working_day(to_tokyo(moment).date())
            assert to_tokyo(moment).date() >= date(2023, 7, 10)
            assert not BEHAVIOUR.is_absent(person, to_tokyo(moment).date())


def test_someone_on_leave_reads_at_their_phone_or_when_they_are_back() -> None:
    away = Behaviour(changed(reading__habits__absent=1.0, reading__phone__notice=0.0), seed=1)
    moment = away.reads_at(PEOPLE[0], "notice", "broadcast:1", MONDAY)
    assert moment is None or moment.date() > MONDAY.date() + timedelta(days=14)
    assert away.next_look(PEOPLE[0], MONDAY) > MONDAY + timedelta(days=14)


def test_ordinary_talk_is_read_at_the_next_look_whatever_it_says() -> None:
    for person in PEOPLE[:40]:
        look = BEHAVIOUR.next_look(person, MONDAY)
        assert look > MONDAY
        assert BEHAVIOUR.next_look(person, look - timedelta(minutes=1)) == look
        assert is_working_day(to_tokyo(look).date())


def test_officers_and_administrators_start_first_and_everybody_within_the_course() -> None:
    start = date(2023, 7, 1)
    opening = at(date(2023, 7, 3), PARAMETERS.hours.opens)
    moments = {person.login: BEHAVIOUR.signs_in_at(person, start) for person in PEOPLE}
    assert all(moments[person.login] == opening for person in PEOPLE if person.roles)
    assert all(opening < moments[person.login] < at(date(2023, 7, 19), time()) for person in PEOPLE if not person.roles)
    assert len({to_tokyo(moment).date() for moment in moments.values()}) > 3


def test_contented_people_choose_the_better_end_of_a_scale() -> None:
    glad = Behaviour(changed(surveys__contentment=[1.0] * 5, surveys__contentment_spread=0.0), seed=1)
    sad = Behaviour(changed(surveys__contentment=[0.0] * 5, surveys__growth_per_month=0.0), seed=1)
    high = Counter(glad.chooses(person, "q", 5, 0, best_first=False) for person in PEOPLE)
    low = Counter(sad.chooses(person, "q", 5, 0, best_first=False) for person in PEOPLE)
    assert high.most_common(1)[0][0] == 4
    assert low.most_common(1)[0][0] == 0
    assert Counter(glad.chooses(person, "q", 5, 0, best_first=True) for person in PEOPLE).most_common(1)[0][0] == 0
    assert sum(len(glad.ticks(person, "q", 5, 0)) for person in PEOPLE) > sum(
        len(sad.ticks(person, "q", 5, 0)) for person in PEOPLE
    )


@given(st.sampled_from(PEOPLE), st.integers(1, 10), st.integers(0, 5), st.booleans())
def test_a_choice_is_one_of_the_choices(person: Person, count: int, months: int, best_first: bool) -> None:
    assert 0 <= BEHAVIOUR.chooses(person, "q", count, months, best_first=best_first) < count
    assert set(BEHAVIOUR.ticks(person, "q", count, months)) <= set(range(count))


def test_some_write_their_own_words_and_some_do_not_answer_at_all() -> None:
    words = [BEHAVIOUR.writes(person, "q", 0) for person in PEOPLE]
    assert {word is None for word in words} == {True, False}
    starts = [BEHAVIOUR.starts_survey_at(person, "survey:1", MONDAY) for person in PEOPLE]
    again = [BEHAVIOUR.starts_survey_at(person, "survey:1", MONDAY, reminded=True) for person in PEOPLE]
    assert sum(start is not None for start in starts) > sum(start is not None for start in again) > 0
    assert all(start is None or start > MONDAY for start in starts)


@pytest.mark.parametrize("person", PEOPLE[:5])
def test_an_answer_is_ready_after_the_question_and_soon(person: Person) -> None:
    moment = BEHAVIOUR.answers_at(person, "survey:1:question:q:scale", MONDAY + timedelta(seconds=20))
    assert MONDAY < moment <= MONDAY + timedelta(minutes=PARAMETERS.surveys.question_minutes)
