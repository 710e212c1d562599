from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trial import data
from trial.chance import share_out, spread_labels, stream
from trial.population import ADMINISTRATOR, HEADQUARTERS, LARGEST_STAFF, POSTS, departments, populate


@pytest.mark.parametrize("seed", [1, 2, 77])
def test_the_default_staff_have_the_surveys_joint_table_exactly(seed: int) -> None:
    joint = data.load("staff")["joint"]
    counted = Counter((person.sex, person.age, person.skill) for person in populate(225, seed))
    expected = Counter(
        {
            (sex, age, skill): count
            for sex, by_skill in joint["cells"].items()
            for skill, counts in by_skill.items()
            for age, count in zip(joint["ages"], counts, strict=True)
        }
    )
    expected["", "", "ある程度使いこなせている"] = 1
    assert counted == +expected


@pytest.mark.parametrize("margin", ["department", "employment", "relevance"])
def test_the_default_staff_have_each_margin_exactly(margin: str) -> None:
    people = populate(225, seed=1)
    assert Counter(getattr(person, margin) for person in people) == data.load("staff")[margin]


def test_the_tables_add_up_to_the_surveys_printed_totals() -> None:
    people = populate(225, seed=1)
    assert Counter(person.sex for person in people) == {"男": 132, "女": 86, "未回答": 6, "": 1}
    assert Counter(person.age for person in people) == {
        "20代": 26, "30代": 41, "40代": 63, "50代": 75, "60代以上": 19, "": 1,
    }  # fmt: skip
    assert list(Counter(person.skill for person in people).values()).count(3) == 1
    assert Counter(person.skill for person in people)["ある程度使いこなせている"] == 100


def test_two_officers_are_in_general_affairs_and_two_administrators_in_policy() -> None:
    people = populate(225, seed=1)
    assert Counter((person.department, person.roles) for person in people if person.roles) == {
        ("総務部", (HEADQUARTERS,)): 2,
        ("総合政策部", (ADMINISTRATOR,)): 2,
    }


def test_even_the_smallest_staff_have_officers_and_administrators() -> None:
    roles = Counter(role for person in populate(4, seed=3) for role in person.roles)
    assert roles == {HEADQUARTERS: 2, ADMINISTRATOR: 2}


def test_every_department_has_one_head_and_ranks_follow_posts() -> None:
    people = populate(225, seed=1)
    heads = Counter(person.department for person in people if person.post == "部長")
    assert heads == dict.fromkeys(departments(people), 1)
    assert {(person.post, person.rank) for person in people if person.rank} == {
        (post, len(POSTS) - position) for position, post in enumerate(POSTS)
    }
    assert all(person.rank == 0 for person in people if person.employment != "正規職員")


def test_staff_numbers_are_unique_and_passwords_differ() -> None:
    people = populate(1200, seed=1)
    assert len({person.login for person in people}) == 1200
    assert len({person.password for person in people}) > 1190


def test_the_same_seed_gives_the_same_people_and_another_seed_others() -> None:
    assert populate(225, 5) == populate(225, 5)
    assert [person.name for person in populate(225, 5)] != [person.name for person in populate(225, 6)]


@pytest.mark.parametrize("staff", [3, LARGEST_STAFF + 1])
def test_a_staff_that_cannot_be_simulated_is_refused_with_the_bounds(staff: int) -> None:
    with pytest.raises(ValueError, match="4 to 20,000"):
        populate(staff, seed=1)


@given(st.integers(0, 5000), st.lists(st.integers(0, 300), min_size=1, max_size=30).filter(any))
def test_shares_add_up_and_stay_within_one_of_the_quota(total: int, weights: list[int]) -> None:
    parts = share_out(total, weights)
    assert sum(parts) == total
    assert all(abs(part - total * weight / sum(weights)) < 1 for part, weight in zip(parts, weights, strict=True))
    assert share_out(sum(weights), weights) == weights


@pytest.mark.parametrize(("total", "weights"), [(-1, [1]), (3, [0, 0]), (3, [2, -1])])
def test_nothing_can_be_shared_out_by_impossible_weights(total: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="not all 0"):
        share_out(total, weights)


def test_labels_keep_the_order_of_their_margin() -> None:
    assert spread_labels(4, {"a": 1, "b": 3}) == ["a", "b", "b", "b"]


def test_streams_are_told_apart_by_every_part_of_their_name() -> None:
    firsts = {stream(seed, *names).random() for seed in (1, 2) for names in [("a",), ("b",), ("a", "b"), ("ab",)]}
    assert len(firsts) == 8
    assert stream(1, "a").random() == stream(1, "a").random()


def test_the_data_can_be_shown_as_json() -> None:
    assert json.loads(json.dumps(data.load("staff")))["respondents"] == 225
