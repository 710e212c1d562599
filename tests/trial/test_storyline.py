from __future__ import annotations

from collections import Counter
from datetime import date, time, timedelta

import pytest

from bot.clock import to_tokyo
from tests.trial.stage import DEFAULT
from trial.calendar import at, is_working_day
from trial.parameters import load_parameters
from trial.population import populate
from trial.storyline import Event, Notice, PairTalk, Poll, SiteReport, Storyline, Talk, Trouble

PARAMETERS = load_parameters(DEFAULT)
PEOPLE = populate(225, seed=1)


def story(start: date = date(2023, 7, 1), months: int = 6, seed: int = 1) -> list[Event]:
    return Storyline(PARAMETERS, PEOPLE, start=start, months=months, seed=seed).events()


def notices(events: list[Event], kind: str) -> list[Notice]:
    return [event for event in events if isinstance(event, Notice) and event.kind == kind]


def test_every_week_but_the_first_begins_with_a_notice_on_its_first_working_day() -> None:
    weekly = notices(story(), "notice")
    weeks = [to_tokyo(notice.at).isocalendar()[:2] for notice in weekly]
    assert len(weeks) == len(set(weeks)) == 25
    assert all(is_working_day(notice.at.date()) for notice in weekly)
    tuesday_after_marine_day = at(date(2023, 7, 18), PARAMETERS.storyline.notice_at)
    assert tuesday_after_marine_day in {notice.at for notice in weekly}


def test_the_drill_is_on_the_first_of_september() -> None:
    assert [notice.at for notice in notices(story(), "drill")] == [at(date(2023, 9, 1), time(10))]


def test_a_drill_that_falls_on_a_weekend_is_held_on_the_next_working_day() -> None:
    assert [notice.at.date() for notice in notices(story(date(2024, 7, 1)), "drill")] == [date(2024, 9, 2)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_typhoon_is_a_run_of_emergencies_over_one_october_night(seed: int) -> None:
    emergencies = notices(story(seed=seed), "emergency")
    moments = [notice.at for notice in emergencies]
    assert len(moments) == 7
    assert moments == sorted(moments)
    assert moments[-1] - moments[0] < timedelta(hours=14)
    assert moments[0].month == 10
    assert any(to_tokyo(moment).hour < 5 for moment in moments)
    assert len({notice.text for notice in emergencies}) == 7


def test_people_with_phones_report_from_the_site_after_the_storm() -> None:
    reports = [event for event in story() if isinstance(event, SiteReport)]
    assert len(reports) == 2
    by_login = {person.login: person for person in PEOPLE}
    assert all(by_login[report.login].department == "都市整備部" for report in reports)


def test_there_is_a_survey_each_month_and_its_results_are_looked_at_when_it_is_closed() -> None:
    polls = [event for event in story() if isinstance(event, Poll)]
    assert [poll.at.month for poll in polls] == [7, 8, 9, 10, 11, 12]
    for poll in polls:
        assert is_working_day(poll.at.date())
        assert poll.results_at > poll.at + timedelta(days=poll.open_days)


def test_months_without_the_first_of_september_and_october_have_neither_drill_nor_typhoon() -> None:
    events = story(date(2024, 1, 15), 2)
    assert not notices(events, "drill")
    assert not notices(events, "emergency")
    assert all(at(date(2024, 1, 15), time()) < event.at < at(date(2024, 3, 15), time()) for event in events)


def test_talk_is_in_working_hours_and_answered_by_colleagues_of_the_same_department() -> None:
    departments = {person.login: person.department for person in PEOPLE}
    talks = [event for event in story() if isinstance(event, Talk)]
    assert 50 < len(talks) < 250
    for talk in talks:
        assert is_working_day(talk.at.date())
        assert PARAMETERS.hours.opens < to_tokyo(talk.at).time() < PARAMETERS.hours.closes
        assert len(talk.replies) <= PARAMETERS.talk.most_answers
        for reply in talk.replies:
            assert reply.at > talk.at
            assert departments[reply.login] == departments[talk.login]
            assert reply.login != talk.login
    assert {reply.stamp for talk in talks for reply in talk.replies} == {True, False}
    assert {talk.with_file for talk in talks} == {True, False}


def test_colleagues_talk_in_pairs_with_somebody_else() -> None:
    pairs = [event for event in story() if isinstance(event, PairTalk)]
    assert len(pairs) > 30
    assert all(pair.login != pair.to for pair in pairs)


def test_the_same_seed_tells_the_same_story_and_another_seed_another() -> None:
    assert story() == story()
    assert Counter(type(event) for event in story(seed=2)) != Counter(type(event) for event in story(seed=1))


def test_problems_are_reported_in_office_hours_and_become_fewer_as_they_are_mended() -> None:
    reports = [event for seed in range(40) for event in story(seed=seed) if isinstance(event, Trouble)]
    assert all(is_working_day(report.at.date()) for report in reports)
    by_month = Counter(report.at.month for report in reports)
    talk = PARAMETERS.talk
    first = talk.problems_per_month * len(PEOPLE) / 100
    for number, month in enumerate(range(7, 13)):
        assert by_month[month] / 40 == pytest.approx(first * talk.problems_kept**number, rel=0.35)
    assert by_month[7] > by_month[12]
    assert {report.login for report in reports} <= {person.login for person in PEOPLE}
