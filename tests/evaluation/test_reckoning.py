"""The pure reckoning against figures worked out by hand or published."""

from __future__ import annotations

from collections import Counter
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import ConfigurationError
from tests.evaluation.samples import AGREEMENT, TIERS, facts, written
from trial.evaluation import budget
from trial.evaluation.calendar import fiscal_year, months, next_april, weeks
from trial.evaluation.criteria import load_agreement
from trial.evaluation.facts import Answer, Facts, Group, Question, Wait
from trial.evaluation.figures import FIGURES, Contentment
from trial.evaluation.reach import Reach, together
from trial.evaluation.saving import Saving, break_even_minutes

ROOT = Path(__file__).parent.parent.parent

# ------------------------------------------------------------------ time saved


def test_the_published_example_is_met_to_the_yen() -> None:
    saving = Saving(1142, Fraction(11), 240, 4000)
    assert saving.hours_a_person == 44
    assert saving.hours == 50_248
    assert saving.yen == 200_992_000


def test_an_account_at_400_yen_pays_for_itself_in_twenty_seconds_a_day() -> None:
    # 400 yen × 1.1 × 12 months = 5,280 yen; at 4,000 yen an hour that is 79.2 minutes a year, 0.33 a day.
    assert break_even_minutes(5_280, 1, 240, 4_000) == Fraction(33, 100)
    assert break_even_minutes(5_280, 0, 240, 4_000) is None


@given(st.integers(1, 5_000), st.integers(1, 480), st.integers(1, 366), st.integers(1, 10_000))
def test_saving_the_break_even_minutes_is_worth_what_the_year_costs(
    staff: int, minutes: int, days: int, yen: int
) -> None:
    cost = staff * minutes * days * yen
    needed = break_even_minutes(cost, staff, days, yen)
    assert needed is not None
    assert Saving(staff, needed, days, yen).hours * yen == cost


# ---------------------------------------------------------------------- budget


@pytest.mark.parametrize(
    ("accounts", "all_net", "inside_net", "cheaper"),
    [
        (500, 200_000, 200_000, 501),
        (501, 175_350, 200_350, None),
        (3_000, 1_050_000, 1_075_000, 3_001),
        (3_001, 900_300, 1_075_300, None),
        (10_000, 3_000_000, 3_175_000, None),
        (10_001, None, None, None),
    ],
)
def test_offers_show_both_readings_with_tax_and_the_cheaper_number(
    accounts: int, all_net: int | None, inside_net: int | None, cheaper: int | None
) -> None:
    whole, tiers = budget.offers(accounts, TIERS, 10)
    assert (whole.net, tiers.net) == (all_net, inside_net)
    assert (whole.cheaper_at, tiers.cheaper_at) == (cheaper, None)
    assert whole.gross == (None if all_net is None else all_net + all_net // 10)
    if cheaper is not None:
        assert whole.cheaper_net is not None
        assert all_net is not None
        assert whole.cheaper_net < all_net


def test_the_supplementary_budget_bridges_the_winter_and_april_does_not() -> None:
    # 501 accounts: 175,350 a month, 192,885 with tax.
    found = {(plan.start, plan.reading): plan for plan in budget.plans(501, date(2024, 1, 1), TIERS, 10)}
    bridged, later = found["supplementary", "all"], found["april", "all"]
    assert bridged.fiscal_years == [2023, 2024]
    assert [plan.months_in_use(2023) for plan in (bridged, later)] == [3, 0]
    assert [plan.months_in_use(2024) for plan in (bridged, later)] == [12, 12]
    assert (bridged.year(2023).net, bridged.year(2023).gross) == (526_050, 578_655)
    assert (later.year(2023).net, later.year(2023).gross) == (0, 0)
    assert later.year(2024).gross == bridged.year(2024).gross == 2_314_620
    assert found["supplementary", "inside"].year(2024).net == 12 * 200_350
    assert [bill.month for bill in bridged.bills][:4] == [date(2024, month, 1) for month in (1, 2, 3, 4)]
    assert bridged.bills[-1].month == date(2025, 3, 1)


def test_a_trial_that_ends_in_march_needs_no_bridge() -> None:
    for plan in budget.plans(10, date(2024, 4, 1), TIERS, 10):
        assert plan.fiscal_years == [2024]
        assert plan.months_in_use(2024) == 12


def test_a_month_that_the_trial_has_begun_is_not_billed() -> None:
    assert budget.plans(10, date(2024, 1, 16), TIERS, 10)[0].bills[0].month == date(2024, 2, 1)


def test_a_negotiated_price_leaves_every_amount_open() -> None:
    plan = budget.plans(10_001, date(2024, 1, 1), TIERS, 10)[0]
    assert plan.year(2024).net is None
    assert written(budget={"accounts": 10_001}).figures["break_even_minutes"].value is None


@given(st.dates(date(2020, 1, 1), date(2030, 12, 31)))
def test_a_fiscal_year_begins_in_april(day: date) -> None:
    april = next_april(day)
    assert (april.month, april.day) == (4, 1)
    assert 0 <= (april - day).days <= 366
    assert fiscal_year(april) == april.year
    assert fiscal_year(day) == (april.year - (day != april))


def test_a_span_touches_its_months_and_weeks() -> None:
    assert months(date(2023, 7, 15), date(2023, 9, 1)) == [date(2023, 7, 1), date(2023, 8, 1)]
    assert list(weeks(date(2023, 7, 1), date(2023, 7, 11))) == [
        date(2023, 6, 26),
        date(2023, 7, 3),
        date(2023, 7, 10),
    ]


# ----------------------------------------------------------------------- reach


def test_half_of_the_recipients_counts_the_unread_too() -> None:
    reach = Reach(10, Counter({1: 2, 5: 3, 90: 3}))
    assert (reach.until(50), reach.until(51), reach.until(80), reach.until(95)) == (5, 90, 90, None)
    assert (reach.within(4), reach.within(5), reach.within(90)) == (2, 5, 8)
    assert Reach().until(50) is None


@given(st.lists(st.tuples(st.none() | st.integers(0, 5_000), st.integers(1, 50)), min_size=1), st.integers(1, 100))
def test_until_is_the_first_minute_at_which_enough_have_read(pairs: list[tuple[int | None, int]], percent: int) -> None:
    reach = Reach()
    for minutes, people in pairs:
        reach.add(Wait(1, "everybody", "", minutes, people))
    late = reach.until(percent)
    if late is None:
        assert reach.read * 100 < percent * reach.recipients
    else:
        assert reach.within(late) * 100 >= percent * reach.recipients
        assert late == 0 or reach.within(late - 1) * 100 < percent * reach.recipients


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("ab"), st.none() | st.integers(0, 99), st.integers(1, 9))))
def test_however_waits_are_put_together_nobody_is_lost(rows: list[tuple[int, str, int | None, int]]) -> None:
    waits = [Wait(notice, "skill", label, minutes, people) for notice, label, minutes, people in rows]
    for sign in (lambda wait: wait.label, lambda wait: wait.notice):
        found = together(waits, sign)
        assert sum(reach.recipients for reach in found.values()) == sum(wait.people for wait in waits)
        assert sum(reach.read for reach in found.values()) == sum(
            wait.people for wait in waits if wait.minutes is not None
        )


# --------------------------------------------------------------------- figures


def test_every_figure_is_what_a_pencil_says() -> None:
    found = {key: figure.value for key, figure in written().figures.items()}
    assert list(found) == list(FIGURES)
    assert found == {
        "registered_share": 1.0,
        "used_share": 0.75,
        "active_share_last_month": 0.5,
        "active_share_mean": 0.625,
        "weekly_active_share": pytest.approx(3 / 4 / 7, abs=1e-4),  # whole weeks, from that of the first notice on
        "service_active_share_last_month": 1.0,
        "notice_read_share_1h": 0.75,
        "notice_read_share_24h": 0.75,
        "notice_read_share": 0.75,
        "notice_minutes_to_80": None,
        "drill_read_share_1h": None,
        "drill_read_share_24h": None,
        "drill_read_share": None,
        "drill_minutes_to_80": None,
        "emergency_read_share_1h": 0.0,
        "emergency_read_share_24h": 0.75,
        "emergency_read_share": 0.75,
        "emergency_minutes_to_80": None,
        "undelivered": 0,
        "reply_share": 0.875,
        "muster_reply_share": 0.75,
        "muster_coming_share": 0.5,
        "safety_reply_share": 1.0,
        "survey_response_share": 0.55,  # 5 and 6 of 20; the open survey waits
        "satisfaction_mean": 4.5,
        "satisfaction_change": 1.0,
        "satisfied_share": 0.5,  # 2 fours and a five of 6
        "problems_per_100_and_month": 25,
        "hours_saved": 88,  # of the 2 people a month who were seen to use it
        "yen_saved": 352_000,
        "yen_first_full_year": 21_120,
        "saving_to_cost": 16.67,
        "break_even_minutes": 0.33,
    }


def test_nothing_is_made_up_where_nothing_is_known() -> None:
    empty = Facts(simulated=False, seed=None, starts=date(2023, 7, 1), ends=date(2023, 8, 1), groups=())
    found = {key: figure.value for key, figure in written(empty).figures.items()}
    known = {key for key, value in found.items() if value is not None}
    assert known == {
        "undelivered",
        "hours_saved",
        "yen_saved",
        "yen_first_full_year",
        "saving_to_cost",
        "break_even_minutes",
    }


def test_a_hidden_count_leaves_the_share_of_contented_people_open() -> None:
    hidden = Question("q", "?", "scale", None, (Answer("1", 1, None), Answer("5", 5, 9)))
    assert Contentment([hidden], 4).satisfied_share is None
    assert Contentment([], 4).satisfied_share is None


def test_groups_stand_in_the_order_of_the_attitude_survey() -> None:
    labels = ["", "30代", "20代", "不思議な年代", "60代以上"]
    found = facts(groups=[Group("age", label, 1, 1) for label in labels])
    assert [group.label for group in found.having("age")] == ["20代", "30代", "60代以上", "不思議な年代", ""]


# -------------------------------------------------------------------- criteria


def test_each_criterion_is_judged_by_itself_and_the_bar_is_enough() -> None:
    assert [each.verdict for each in written().judgements] == ["met", "met", "met", "unknown"]
    late = written(facts(undelivered=1)).judgements
    assert [each.verdict for each in late] == ["met", "missed", "met", "unknown"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("figure = 'happiness'\nat_least = 1", "there is no figure 'happiness'; choose one of registered_share"),
        ("figure = 'used_share'", "give at_least or at_most"),
        ("figure = 'break_even_minutes'\nat_most = 11", "nothing can be judged by it"),
        ("figure = 'used_share'\nat_least = 1\nat_most = 2", "give at_least or at_most"),
        ("figure = 'used_share'\nat_lest = 1", "at_lest"),
    ],
)
def test_a_slip_in_the_criteria_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    file = tmp_path / "criteria.toml"
    assumed = "\n".join(f"{key} = {value}" for key, value in AGREEMENT["time_saved"].items())  # type: ignore[attr-defined]
    file.write_text(f"[time_saved]\n{assumed}\n[[criteria]]\nname = 'x'\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        load_agreement(file)
    assert str(file) in str(caught.value)


def test_a_period_that_ends_before_it_starts_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "criteria.toml"
    file.write_text("[period]\nstarts = 2023-07-01\nends = 2023-07-01\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="starts must lie before ends"):
        load_agreement(file)
    file.write_text("[period", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        load_agreement(file)


def test_the_shipped_criteria_name_every_figure_in_their_list() -> None:
    file = ROOT / "config" / "trial" / "criteria.toml"
    assert len(load_agreement(file).criteria) >= 10
    words = set(file.read_text(encoding="utf-8").replace("#", " ").split())
    assert set(FIGURES) <= words
