"""What those who may approve hear after they were asked: the request once more, and that somebody else has decided."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest
from sqlalchemy import delete, update

from bot import directory
from bot.clock import TOKYO
from bot.directory import APPROVER, HEADQUARTERS, SENDER
from bot.tables import member_roles, members
from bot.testing.harness import Harness
from broadcasts.quiet import QuietHours
from broadcasts.service import Broadcasts
from tests.broadcasts.test_approval import ALL_KINDS, actions, asked, chat, entry, notices
from tests.broadcasts.test_attachments import FILE, give

HALF = timedelta(hours=12)
SECOND = timedelta(seconds=1)
NIGHT = QuietHours(time(22), time(7))
WORDS = ("職員bossさんが承認", "職員bossさんが差し戻しました")


def again(harness: Harness, person: str) -> int:
    """How often somebody was asked once more."""
    return sum(m.text.startswith("【もう一度のお願い】") for m in harness.sent_to(person))


def words(harness: Harness, person: str) -> list[str]:
    """What somebody has heard of what 職員boss decided."""
    return [m.text for m in harness.sent_to(person) if any(each in m.text for each in WORDS)]


async def at(harness: Harness, hour: int) -> None:
    """Let it become this hour of the first day."""
    await harness.advance(datetime(2023, 7, 3, hour, tzinfo=TOKYO) - harness.clock.now())


async def ask(harness: Harness, command: str = "/一斉 緊急 @税務課 本文") -> None:
    (answer,) = await harness.press("tax", await harness.say("tax", command), "承認を依頼する")
    assert "承認されるまで送りません" in answer.text


# ------------------------------------------------------------------ once more


async def test_when_half_of_the_time_is_over_approvers_are_asked_once_more_with_buttons_that_work() -> None:
    async with chat() as harness:
        await ask(harness)
        await harness.advance(HALF - SECOND)
        assert (again(harness, "hq"), again(harness, "boss")) == (0, 0)
        first = asked(harness, "boss")
        await harness.advance(SECOND)
        assert (again(harness, "hq"), again(harness, "boss")) == (1, 1)
        assert not any(again(harness, person) for person in ("tax", "duty", "admin", "b"))
        second = asked(harness, "boss")
        assert second is not first
        assert (second.text, second.buttons) == (first.text, first.buttons)
        opening = next(m.text for m in harness.sent_to("boss") if m.text.startswith("【もう一度"))
        assert "税務課 職員taxさん" in opening
        assert "番号 1（緊急）" in opening
        assert "07月04日 09:00 まで" in opening
        assert ("kairanban", "broadcast.approval_asked_again") in await actions(harness)
        await harness.press("boss", second, "承認する")
        assert notices(harness)


async def test_nobody_is_asked_a_third_time_and_the_author_hears_of_the_end() -> None:
    async with chat() as harness:
        await ask(harness)
        await harness.advance(timedelta(days=3))
        assert (again(harness, "hq"), again(harness, "boss")) == (1, 1)
        assert "期限までに承認されませんでした" in harness.sent_to("tax")[-1].text


@pytest.mark.parametrize("end", ["approved", "returned", "taken back", "rewritten", "no right", "left"])
async def test_nobody_is_asked_again_for_what_is_settled_or_cannot_go_out(end: str) -> None:
    async with chat() as harness:
        await ask(harness)
        request, seen = asked(harness, "boss"), harness.sent_to("tax")[0]
        match end:
            case "approved":
                await harness.press("boss", request, "承認する")
            case "returned":
                await harness.press("boss", request, "差し戻す")
                await harness.say("boss", "場所を書いてください")
            case "taken back":
                await harness.press("tax", seen, "やめる")
            case "rewritten":
                await harness.post("tax", "/訂正 1 別の本文")
            case "no right":
                async with harness.database.transaction() as db:
                    await db.execute(delete(member_roles).where(member_roles.c.role == SENDER))
            case "left":
                async with harness.database.transaction() as db:
                    await db.execute(update(members).where(members.c.code == "tax").values(active=False))
        await harness.advance(timedelta(days=3))
        assert (again(harness, "hq"), again(harness, "boss")) == (0, 0)


async def test_a_request_that_was_made_anew_has_its_own_half() -> None:
    async with chat() as harness:
        await ask(harness)
        await harness.advance(timedelta(hours=10))
        _, new = await harness.post("tax", "/訂正 1 別の本文")
        await harness.press("tax", new, "承認を依頼する")
        await harness.advance(HALF - SECOND)
        assert again(harness, "boss") == 0
        await harness.advance(SECOND)
        assert again(harness, "boss") == 1
        assert "別の本文" in asked(harness, "boss").text


async def test_the_second_message_shows_the_people_of_today() -> None:
    async with chat() as harness:
        await ask(harness)
        async with harness.database.transaction() as db:
            await directory.save(db, [entry("new", "税務課")])
        await harness.advance(HALF)
        await harness.press("boss", asked(harness, "boss"), "承認する")
        assert "new" in {m.address.id for m in notices(harness)}


async def test_who_has_become_an_approver_since_is_asked_too_and_gets_the_files_that_the_others_have() -> None:
    async with chat() as harness:
        harness.platform.capabilities = replace(harness.platform.capabilities, attachments=10)
        await give(harness, "tax", FILE)
        await ask(harness)
        async with harness.database.transaction() as db:
            await directory.save(db, [entry("new", "総務課", HEADQUARTERS)])
            await db.execute(delete(member_roles).where(member_roles.c.role == APPROVER))
        await harness.advance(HALF)
        assert (again(harness, "hq"), again(harness, "new"), again(harness, "boss")) == (1, 1, 0)
        for person in ("hq", "new"):
            assert sum(bool(m.message.attachments) for m in harness.sent_to(person)) == 1


async def test_an_emergency_is_asked_for_again_in_the_night() -> None:
    async with chat(quiet=NIGHT) as harness:
        await at(harness, 14)
        await ask(harness)
        await harness.advance(HALF)
        assert again(harness, "hq") == 1


async def test_any_other_notice_is_asked_for_again_in_the_morning() -> None:
    async with chat(ALL_KINDS, NIGHT) as harness:
        await at(harness, 14)
        await ask(harness, "/一斉 @税務課 本文")
        await harness.advance(timedelta(hours=17) - SECOND)
        assert again(harness, "hq") == 0
        await harness.advance(SECOND)  # seven o'clock
        assert again(harness, "hq") == 1
        await harness.advance(timedelta(days=3))
        assert again(harness, "hq") == 1


async def test_what_is_decided_in_the_night_is_not_asked_for_in_the_morning() -> None:
    async with chat(ALL_KINDS, NIGHT) as harness:
        await at(harness, 14)
        await ask(harness, "/一斉 @税務課 本文")
        await harness.advance(timedelta(hours=13))
        await harness.press("boss", asked(harness, "boss"), "承認する")
        await harness.advance(timedelta(days=1))
        assert again(harness, "hq") == 0


async def test_what_expires_before_the_morning_is_not_asked_for_again() -> None:
    async with chat(replace(ALL_KINDS, expires_after=timedelta(hours=8)), NIGHT) as harness:
        await at(harness, 20)
        await ask(harness, "/一斉 @税務課 本文")
        await harness.advance(timedelta(days=1))
        assert again(harness, "hq") == 0
        assert "期限までに承認されませんでした" in harness.sent_to("tax")[-1].text


@pytest.mark.parametrize(("stopped", "times"), [(HALF + timedelta(hours=1), 1), (timedelta(hours=25), 0)])
async def test_what_fell_due_while_nothing_ran_is_asked_for_at_the_start_if_it_still_stands(
    stopped: timedelta, times: int
) -> None:
    services: list[Broadcasts] = []
    async with chat(services=services) as harness:
        await ask(harness)
        for away in (stopped, SECOND):  # begun twice, it asks once
            await services[0].stop()
            await harness.advance(away)
            assert again(harness, "hq") == (0 if away == stopped else times)
            await services[0].start()
            await harness.idle()
        assert (again(harness, "hq"), again(harness, "boss")) == (times, times)


async def test_what_its_author_may_send_by_now_is_neither_asked_for_again_nor_said_to_have_expired() -> None:
    async with chat() as harness:
        await ask(harness)
        async with harness.database.transaction() as db:
            await directory.save(db, [entry("tax", "税務課", HEADQUARTERS)])
        await harness.press("tax", harness.sent_to("tax")[0], "承認を依頼する")
        assert notices(harness)
        await harness.advance(timedelta(days=3))
        assert again(harness, "hq") == 0
        assert not any("期限までに承認されませんでした" in m.text for m in harness.sent_to("tax"))


# ---------------------------------------------------------------- has decided


async def test_the_others_who_were_asked_hear_that_it_was_approved() -> None:
    async with chat() as harness:
        await ask(harness)
        await harness.press("boss", asked(harness, "boss"), "承認する")
        assert words(harness, "hq") == ["番号 1 は 職員bossさんが承認し、送信しました。"]
        assert words(harness, "boss") == []
        assert len(words(harness, "tax")) == 1  # the author has an answer of their own
        assert not any(words(harness, person) for person in ("duty", "admin", "b", "d"))
        await harness.press("hq", asked(harness, "hq"), "差し戻す")  # too late: nothing is said anew
        assert len(words(harness, "tax")) == 1


async def test_the_others_who_were_asked_hear_that_it_was_sent_back_without_the_reason() -> None:
    async with chat() as harness:
        await ask(harness)
        await harness.press("boss", asked(harness, "boss"), "差し戻す")
        assert words(harness, "hq") == []  # not before there is a reason
        await harness.say("boss", "場所を書いてください")
        assert words(harness, "hq") == ["番号 1 は 職員bossさんが差し戻しました。"]
        assert words(harness, "boss") == []


async def test_of_a_scheduled_notice_they_hear_that_it_is_scheduled() -> None:
    async with chat(ALL_KINDS) as harness:
        await ask(harness, "/予約 2023-07-05 09:00 @税務課 本文")
        await harness.press("boss", asked(harness, "boss"), "承認する")
        assert words(harness, "hq") == ["番号 1 は 職員bossさんが承認し、予約しました。"]


async def test_at_night_the_others_hear_of_an_emergency_at_once_and_of_the_rest_in_the_morning() -> None:
    async with chat(ALL_KINDS, NIGHT) as harness:
        await at(harness, 20)
        await ask(harness, "/一斉 @税務課 本文")
        await ask(harness)
        await at(harness, 23)
        urgent = asked(harness, "boss")
        await harness.press("boss", urgent, "承認する")
        assert words(harness, "hq") == ["番号 2 は 職員bossさんが承認し、送信しました。"]
        await harness.press("boss", await harness.say("boss", "/承認"), "承認する")
        assert len(words(harness, "hq")) == 1
        await harness.advance(timedelta(hours=8))
        assert words(harness, "hq")[1:] == ["番号 1 は 職員bossさんが承認し、2023-07-04 07:00に送ります。"]


async def test_who_was_asked_hears_of_it_even_if_they_may_not_approve_any_more_and_nobody_else_does() -> None:
    async with chat() as harness:
        await ask(harness)
        async with harness.database.transaction() as db:
            await db.execute(delete(member_roles).where(member_roles.c.role == HEADQUARTERS))
            await directory.save(db, [entry("new", "総務課", HEADQUARTERS)])
        await harness.press("boss", asked(harness, "boss"), "承認する")
        assert len(words(harness, "hq")) == 1
        assert words(harness, "new") == []


async def test_a_review_is_nobody_elses_business() -> None:
    async with chat() as harness:
        async with harness.database.transaction() as db:
            await directory.save(db, [entry("second", "総務課", HEADQUARTERS)])
        await harness.press("duty", await harness.say("duty", "/一斉 緊急 避難してください"), "単独で送信する")
        before = len(harness.sent_to("second"))
        await harness.press("hq", asked(harness, "hq"), "確認しました")
        assert len(harness.sent_to("second")) == before
