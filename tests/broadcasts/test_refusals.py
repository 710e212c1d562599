"""A platform works and refuses one address: its owner gets the notice at their next one, once, and it shows."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from bot import directory
from bot.audit.tables import audit_log
from bot.directory import ADMINISTRATOR, Entry
from bot.messages import Message, Priority
from bot.storage import Database
from bot.tables import addresses, deliveries, members
from bot.unreachable import standings, try_again
from broadcasts import show
from broadcasts.questions import Question
from broadcasts.tables import broadcast_recipients, rooms
from broadcasts.telling import tell
from tests.broadcasts.scene import (
    CODES,
    MINUTE,
    TOLD,
    Scene,
    die_and_rise,
    line_platform,
    mail_platform,
    mailed,
    people,
    person,
    recall,
    scene_on,
    second_process,
)
from tests.databases import empty_database

BY_MAIL = "メールでお送りしました"


async def unreachable(database: Database) -> list[str]:
    async with database.snapshot() as db:
        found = await db.scalars(select(addresses.c.address).where(~addresses.c.reachable))
        return sorted(found.all())


async def states(database: Database, number: int) -> dict[str, str]:
    """What became of each delivery of a notice, by address."""
    async with database.snapshot() as db:
        rows = await db.execute(
            select(deliveries.c.address, deliveries.c.state).where(deliveries.c.topic == f"broadcast:{number}")
        )
        return {row.address: row.state for row in rows}


async def dead(scene: Scene) -> list[int]:
    return [each.id for each in await scene.hall.outbox.dead()]


async def sent(scene: Scene, text: str = "本日の会議は中止です。", **options: object) -> int:
    """Send a notice, and wait until nothing is left to do."""
    number = await scene.hall.send(text, **options)
    await scene.hall.quiet()
    return number


# ------------------------------------------------------------------ who gets it


@pytest.mark.parametrize("known", [True, False])
async def test_whoever_is_refused_gets_the_notice_at_their_next_address_at_once(
    database: Database, known: bool
) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        (scene.chat.nobody if known else scene.chat.offended).add("u-003")
        number = await sent(scene)
        assert scene.counts(CODES, number) == [1] * 12
        assert set(scene.line.screens) == {"line-003"}
        # Nothing has arrived at the first address, and nobody is told that it might have.
        assert TOLD not in scene.copies("003", number)[0]
        await scene.hall.advance(timedelta(hours=3))
        assert scene.counts(CODES, number) == [1] * 12


async def test_a_refusal_after_a_try_of_which_nobody_knows_says_perhaps_twice(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "acts, then cuts"
        number = await sent(scene)
        tried = {name.removeprefix("u-") for name in scene.chat.screens}
        assert 0 < len(tried) < 12
        scene.chat.mood = "well"
        scene.chat.nobody |= {f"u-{code}" for code in CODES}
        await scene.hall.advance(2 * MINUTE)
        for code in CODES:
            *_, last = scene.copies(code, number)
            assert (TOLD in last) == (code in tried)


async def test_a_second_refusal_leads_to_the_third_address_and_never_back(database: Database) -> None:
    third = line_platform("third")
    async with scene_on(database, people(12, "chat", "line", "third"), others=[third]) as scene:
        scene.chat.offended.add("u-003")
        scene.line.offended.add("line-003")
        number = await sent(scene)
        await scene.hall.advance(5 * MINUTE)
        assert [scene.chat.tries.count("u-003"), scene.line.tries.count("line-003")] == [1, 1]
        assert len(third.texts("third-003", f"broadcast:{number}")) == 1
        status = await scene.hall.broadcasts.status(number)
        assert (status.recipients, status.moved, status.undelivered, status.waiting) == (12, 1, 0, 0)


async def test_whoever_every_platform_refuses_is_tried_once_at_each_and_named_as_not_reached(
    database: Database,
) -> None:
    staff = [*people(12, "chat", "line"), person("900", "chat")]
    async with scene_on(database, staff) as scene:
        scene.chat.offended |= {"u-003", "u-900"}
        scene.line.offended.add("line-003")
        number = await sent(scene)
        await scene.hall.advance(5 * MINUTE)
        assert [scene.chat.tries.count("u-003"), scene.line.tries.count("line-003")] == [1, 1]
        hall = scene.hall
        status = await hall.broadcasts.status(number)
        assert (status.undelivered, status.unreachable, status.waiting) == (2, 0, 0)
        [page] = show.status(hall.broadcasts.texts, status, None, 5_000)
        assert "届いていない人 2人" in page
        [names] = show.status(hall.broadcasts.texts, status, await hall.broadcasts.unread(number), 5_000)
        assert "職員003（届いていません）" in names
        assert "職員900（届いていません）" in names
        assert names.count("届いていません") == 2
        # Who reads it some other way is no longer among them.
        async with database.transaction() as db:
            await hall.broadcasts.acknowledge(db, number, await hall.member("900"))
        assert (await hall.broadcasts.status(number)).undelivered == 1


async def test_whoever_only_one_platform_knows_gets_it_once_they_have_another_address(database: Database) -> None:
    async with scene_on(database, [*people(12, "chat", "line"), person("900", "chat")]) as scene:
        scene.chat.nobody.add("u-900")
        number = await sent(scene)
        assert scene.copies("900", number) == []
        await scene.hall.hire(person("900", "chat", "line"))
        assert len(scene.copies("900", number)) == 1
        assert (await scene.hall.broadcasts.status(number)).undelivered == 0


async def test_what_was_refused_last_week_is_moved_no_more(database: Database) -> None:
    async with scene_on(database, [*people(12, "chat", "line"), person("900", "chat")]) as scene:
        scene.chat.nobody.add("u-900")
        number = await sent(scene)
        await scene.hall.advance(timedelta(days=4))
        await scene.hall.hire(person("900", "chat", "line"))
        assert scene.copies("900", number) == []


async def test_a_next_address_on_a_platform_that_is_down_gets_it_when_that_is_back(database: Database) -> None:
    async with scene_on(database, [*people(12, "chat", "line"), person("700", "line")]) as scene:
        scene.line.mood = "refuses"
        await sent(scene, "一つめ")
        await scene.hall.advance(MINUTE)
        assert "line" in scene.hall.outbox.down
        scene.chat.nobody.add("u-003")
        number = await sent(scene, "二つめ")
        await scene.hall.advance(5 * MINUTE)
        assert scene.copies("003", number) == []
        scene.line.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        assert scene.counts([*CODES, "700"], number) == [1] * 13


async def test_a_platform_that_was_down_is_asked_again_when_the_next_address_refuses(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        scene.line.nobody.add("line-003")
        number = await sent(scene)
        await scene.hall.advance(MINUTE)
        assert scene.copies("003", number) == []
        scene.chat.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        assert scene.counts(CODES, number) == [1] * 12
        assert len(scene.chat.texts("u-003", f"broadcast:{number}")) == 1


# ------------------------------------------------------------------ e-mail


async def test_whom_no_chat_takes_it_for_gets_an_e_mail_that_asks_for_no_button(database: Database) -> None:
    staff = [*people(12, "chat", "line"), *(mailed(person(code, "chat")) for code in ("900", "901"))]
    async with scene_on(database, staff, mail=mail_platform()) as scene:
        scene.chat.nobody |= {"u-003", "u-900"}
        number = await sent(scene, "地震です。", kind="emergency", question=Question(asks="safety"))
        assert scene.mail is not None
        assert scene.counts([*CODES, "900", "901"], number) == [1] * 14
        [letter] = scene.mail.deliveries
        assert letter.address.id == "900@example.lg.jp"
        assert BY_MAIL in letter.message.text
        assert letter.message.text.startswith("【緊急】")
        assert letter.message.buttons == ()
        status = await scene.hall.broadcasts.status(number)
        assert (status.recipients, status.moved, status.undelivered) == (14, 2, 0)
        async with database.snapshot() as db:
            here = select(members.c.code, broadcast_recipients.c.adapter).join_from(broadcast_recipients, members)
            rows = await db.execute(here.where(broadcast_recipients.c.adapter != "chat"))
            assert {row.code: row.adapter for row in rows} == {"003": "line", "900": "mail"}
        # An only chat is asked again the next time: it costs less than to be wrong about it.
        assert await unreachable(database) == ["u-003"]
        second = await sent(scene, "二つめ", kind="emergency")
        assert len(scene.mail.texts("900@example.lg.jp", f"broadcast:{second}")) == 1


async def test_a_drill_never_leaves_the_chat(database: Database) -> None:
    staff = [*people(12, "chat", "line"), mailed(person("900", "chat"))]
    async with scene_on(database, staff, mail=mail_platform()) as scene:
        scene.chat.nobody.add("u-900")
        number = await sent(scene, "訓練です。", kind="drill")
        await scene.hall.advance(5 * MINUTE)
        assert scene.copies("900", number) == []
        assert (await scene.hall.broadcasts.status(number)).undelivered == 1


async def test_a_platform_that_is_down_moves_nobody_to_e_mail(database: Database) -> None:
    staff = [*people(6, "chat", "line"), mailed(person("900", "chat"))]
    async with scene_on(database, staff, mail=mail_platform()) as scene:
        scene.chat.mood = "refuses"
        number = await sent(scene)
        await scene.hall.advance(5 * MINUTE)
        assert scene.mail is not None
        assert scene.mail.tries == []
        scene.chat.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        assert scene.counts([*CODES[:6], "900"], number) == [1] * 7


async def test_a_correction_and_a_recall_follow_the_notice_into_the_mailbox(database: Database) -> None:
    staff = [*people(12, "chat", "line"), mailed(person("900", "chat"))]
    async with scene_on(database, staff, mail=mail_platform()) as scene:
        scene.chat.nobody |= {"u-003", "u-900"}
        number = await sent(scene)
        await correct(scene, number)
        assert scene.mail is not None
        reference = f"correction:{number}:1"
        assert len(scene.mail.texts("900@example.lg.jp", reference)) == 1
        assert len(scene.line.texts("line-003", reference)) == 1
        assert all(len(scene.chat.texts(f"u-{code}", reference)) == (code != "003") for code in CODES)
        before = list(scene.chat.tries)
        await recall(scene, number)
        assert len(scene.mail.texts("900@example.lg.jp", f"recall:{number}")) == 1
        assert len(scene.line.texts("line-003", f"recall:{number}")) == 1
        assert all(not scene.chat.texts(f"u-{code}", f"broadcast:{number}") for code in CODES)
        assert "u-003" not in scene.chat.tries[len(before) :]


async def correct(scene: Scene, number: int) -> None:
    hall = scene.hall
    chief = await hall.member("hq")
    async with hall.database.transaction() as db:
        row = await hall.broadcasts.notice(db, number)
        drafted = await hall.broadcasts.corrections.draft(db, row, chief, "会議は明日です。")
        await hall.broadcasts.corrections.send(db, drafted.id, chief)
    await hall.quiet()


@pytest.mark.parametrize("in_rooms", [False, True])
async def test_a_corrections_names_are_those_who_get_it_and_where(database: Database, in_rooms: bool) -> None:
    staff = [*people(8, "chat", "line"), mailed(person("900", "chat")), person("901", "chat"), person("902")]
    async with scene_on(database, staff, rooms=in_rooms, mail=mail_platform()) as scene:
        scene.chat.nobody |= {"u-003", "u-900"}  # which a room does not show
        number = await sent(scene)
        # What has changed since: one has no address any more, a newcomer never had the notice.
        async with database.transaction() as db:
            await db.execute(delete(addresses).where(addresses.c.address == "u-901"))
        await scene.hall.hire(person("903", "chat"))
        chief = await scene.hall.member("hq")
        async with database.transaction() as db:
            notice = await scene.hall.broadcasts.notice(db, number)
            drafted = await scene.hall.broadcasts.corrections.draft(db, notice, chief, "会議は明日です。")
            seen = await scene.hall.broadcasts.corrections.people(db, drafted.id, chief)
        where = {each.name.removeprefix("職員"): each.adapter for each in seen.people}
        assert where == {
            **dict.fromkeys(["hq", "001", "002", "004", "005", "006", "007"], "chat"),
            "003": "chat" if in_rooms else "line",
            "900": "chat" if in_rooms else "mail",
            "901": None,
            "902": None,
        }
        async with database.transaction() as db:
            await scene.hall.broadcasts.corrections.send(db, drafted.id, chief)
        await scene.hall.quiet()
        reference = f"correction:{number}:1"
        assert scene.mail is not None
        ids = {"chat": "u-{}", "line": "line-{}", "mail": "{}@example.lg.jp"}
        got = {
            (code, platform.name)
            for code in [*where, "903"]
            for platform in (scene.chat, scene.line, scene.mail)
            if platform.texts(ids[platform.name].format(code), reference)
        }
        besides = {"903": "chat"} if in_rooms else {}
        assert {each.name.removeprefix("職員"): each.adapter for each in seen.besides} == besides
        assert got == {(code, name) for code, name in (where | besides).items() if name is not None}


# ------------------------------------------------------------------ afterwards


async def test_a_refused_reminder_and_a_refused_correction_are_moved_too(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        number = await sent(scene)
        scene.chat.offended.add("u-003")
        await correct(scene, number)
        assert len(scene.line.texts("line-003", f"correction:{number}:1")) == 1
        await scene.hall.advance(16 * MINUTE)
        assert len(scene.line.texts("line-003", f"reminder:{number}:1")) == 1
        assert set(scene.line.screens) == {"line-003"}
        assert (await scene.hall.broadcasts.status(number)).moved == 0  # the notice itself is where it was


async def test_a_recall_of_what_was_refused_and_tried_in_vain_says_nothing_there(database: Database) -> None:
    async with scene_on(database, [*people(6, "line", "chat"), person("900", "line")]) as scene:
        scene.line.offended |= {"line-003", "line-900"}
        number = await sent(scene)
        await recall(scene, number)
        assert [scene.line.tries.count(f"line-{code}") for code in ("003", "900")] == [1, 1]
        assert scene.chat.texts("u-003", f"broadcast:{number}") == []
        assert all(len(scene.line.texts(f"line-{code}", f"recall:{number}")) == 1 for code in ("hq", "001", "002"))


async def test_what_was_moved_cannot_be_replayed_and_what_was_not_can(database: Database) -> None:
    async with scene_on(database, [*people(12, "chat", "line"), person("900", "chat")]) as scene:
        scene.chat.nobody |= {"u-003", "u-900"}
        number = await sent(scene)
        async with database.snapshot() as db:
            everything = (await db.scalars(select(deliveries.c.id))).all()
        assert len(await dead(scene)) == 1
        scene.chat.nobody.clear()
        assert await scene.hall.outbox.replay(everything) == 1
        await scene.hall.advance(MINUTE)
        assert scene.counts([*CODES, "900"], number) == [1] * 13
        assert await dead(scene) == []


async def test_a_read_at_the_next_address_counts_once(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.nobody.add("u-003")
        number = await sent(scene)
        async with database.transaction() as db:
            await scene.hall.broadcasts.acknowledge(db, number, await scene.hall.member("003"))
        status = await scene.hall.broadcasts.status(number)
        assert (status.recipients, status.read, status.moved) == (12, 1, 1)


async def test_every_move_stands_in_the_audit_with_its_cause(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.nobody.add("u-003")
        await sent(scene)
        async with database.snapshot() as db:
            [details] = await db.scalars(select(audit_log.c.details).where(audit_log.c.action == "broadcast.moved"))
        assert '"because":"refused"' in details.replace(" ", "")
        assert '"to":{"line":1}' in details.replace(" ", "")


# ------------------------------------------------------------------ what is remembered of an address


async def test_the_next_notice_goes_straight_to_the_next_address(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        hall = scene.hall
        scene.chat.nobody.add("u-003")
        await sent(scene, "一つめ")
        assert await unreachable(database) == ["u-003"]
        chief = await hall.member("hq")
        async with database.transaction() as db:
            draft = await hall.broadcasts.draft(db, chief, "見るだけ")
            seen = await hall.broadcasts.preview(db, draft)
        assert seen.platforms == [("chat", 11), ("line", 1)]
        number = await sent(scene, "二つめ")
        assert scene.chat.tries.count("u-003") == 1
        assert scene.counts(CODES, number) == [1] * 12
        assert (await hall.broadcasts.status(number)).moved == 0


async def test_since_when_and_why_an_address_is_passed_by_is_noted_once(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.nobody.add("u-003")
        refused_at = scene.hall.clock.now()
        first = await scene.hall.send("一つめ")
        await scene.hall.quiet()
        await scene.hall.advance(timedelta(hours=1))
        async with database.transaction() as db:  # as in another process that has queued it before the mark
            delivery = deliveries.c.address == "u-003", deliveries.c.topic == f"broadcast:{first}"
            await db.execute(update(deliveries).where(*delivery).values(state="dead"))
        scene.hall.broadcasts.look_again()
        await scene.hall.quiet()
        async with database.snapshot() as db:
            [standing] = [each for each in await standings(db) if not each.reachable]
        assert (standing.code, standing.adapter, standing.others) == ("003", "chat", ("line",))
        assert (standing.since, standing.reason) == (refused_at, "There is nobody of this name.")


async def test_an_operator_has_an_address_tried_again_and_a_second_refusal_is_noted_anew(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.nobody.add("u-003")
        await sent(scene, "一つめ")
        async with database.transaction() as db:
            [standing] = [each for each in await standings(db) if not each.reachable]
            assert await try_again(db, scene.hall.clock, [standing], by="os:ops") == [standing]
            assert await try_again(db, scene.hall.clock, [standing], by="os:ops") == []
        await scene.hall.advance(5 * MINUTE)
        tried_at = scene.hall.clock.now()
        second = await sent(scene, "二つめ")
        assert scene.chat.tries.count("u-003") == 2
        assert scene.counts(CODES, second) == [1] * 12
        async with database.snapshot() as db:
            [standing] = [each for each in await standings(db) if not each.reachable]
        assert standing.since == tried_at
        async with database.transaction() as db:
            await try_again(db, scene.hall.clock, [standing], by="os:ops")
        scene.chat.nobody.clear()
        third = await sent(scene, "三つめ")
        assert len(scene.chat.texts("u-003", f"broadcast:{third}")) == 1


async def test_a_refusal_without_a_reason_is_held_against_nobody(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.offended.add("u-003")
        await sent(scene)
        assert await unreachable(database) == []


async def test_whom_the_platform_lists_is_reachable_again(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.nobody.add("u-003")
        await sent(scene)
        async with database.transaction() as db:
            assert await directory.link_addresses(db, "chat", {code: f"u-{code}" for code in CODES}) == 1
            assert await directory.link_addresses(db, "chat", {code: f"u-{code}" for code in CODES}) == 0
        assert await unreachable(database) == []


# ------------------------------------------------------------------ when it is us


def with_administrator(count: int, *platforms: str) -> list[Entry]:
    keeper = person("700", "line")
    keeper = Entry(
        code=keeper.code, name=keeper.name, department="総務課", roles=[ADMINISTRATOR], addresses=keeper.addresses
    )
    return [*people(count, *platforms), keeper]


@pytest.mark.parametrize("mood", ["forbids", "knows nobody"])
async def test_a_platform_that_refuses_everybody_loses_nobody_and_administrators_hear_of_it_once(
    database: Database, mood: str
) -> None:
    staff = [*with_administrator(12, "chat", "line"), *(person(f"8{n:02}", "chat") for n in range(10))]
    async with scene_on(database, staff) as scene:
        scene.chat.mood = mood  # type: ignore[assignment] # one of the moods
        number = await sent(scene)
        await sent(scene, "二つめ")
        await scene.hall.advance(5 * MINUTE)
        assert scene.counts(CODES, number) == [1] * 12
        assert (await scene.hall.broadcasts.status(number)).undelivered == 10
        [word] = scene.line.texts("line-700", f"refused:{number}")
        assert "chat" in word
        assert "受け付けませんでした" in word
        # It says nothing about people, so once it is mended all is as before.
        assert await unreachable(database) == []
        scene.chat.mood = "well"
        third = await sent(scene, "三つめ")
        assert all(len(scene.chat.texts(f"u-{code}", f"broadcast:{third}")) == 1 for code in CODES)


async def test_administrators_hear_of_it_too_where_nobody_has_another_address(database: Database) -> None:
    staff = [*with_administrator(1, "chat"), *(person(f"8{n:02}", "chat") for n in range(10))]
    async with scene_on(database, staff) as scene:
        scene.chat.mood = "forbids"
        number = await sent(scene)
        await scene.hall.advance(MINUTE)
        assert len(scene.line.texts("line-700", f"refused:{number}")) == 1


async def test_some_refusals_among_many_are_no_matter_for_administrators(database: Database) -> None:
    async with scene_on(database, with_administrator(20, "chat", "line")) as scene:
        scene.chat.nobody |= {f"u-{n:03}" for n in range(1, 8)}
        number = await sent(scene)
        await scene.hall.advance(5 * MINUTE)
        assert scene.line.texts("line-700", f"refused:{number}") == []


# ------------------------------------------------------------------ rooms


@pytest.mark.parametrize("platforms", [("chat", "line"), ("chat",)])
async def test_a_room_that_is_gone_reaches_its_members_as_persons_and_is_made_anew(
    database: Database, platforms: tuple[str, ...]
) -> None:
    async with scene_on(database, people(7, *platforms), rooms=True) as scene:
        hall = scene.hall
        assert sorted(scene.chat.rooms) == ["room-1", "room-2"]
        scene.chat.nobody.add("room-1")
        number = await sent(scene)
        assert scene.counts(CODES[:7], number) == [1] * 7
        assert scene.line.screens == {}
        status = await hall.broadcasts.status(number)
        assert (status.recipients, status.moved, status.undelivered) == (7, 4, 0)
        await hall.advance(5 * MINUTE)
        async with database.snapshot() as db:
            places = {row.platform_id for row in await db.execute(select(rooms.c.platform_id))}
        assert places == {"room-2", "room-3"}
        assert sorted(scene.chat.rooms["room-3"]) == sorted(scene.chat.rooms["room-1"])
        second = await sent(scene, "二つめ")
        assert scene.counts(CODES[:7], second) == [1] * 7
        assert scene.chat.tries.count("room-1") == 1
        assert all(scene.chat.screens[f"u-{code}"][-1].room is not None for code in CODES[:7])


async def test_a_correction_that_waits_for_a_room_when_the_room_is_gone_reaches_its_members(
    database: Database,
) -> None:
    async with scene_on(database, people(7, "chat", "line"), rooms=True) as scene:
        number = await sent(scene)
        scene.chat.nobody.add("room-1")
        await correct(scene, number)
        await scene.hall.advance(5 * MINUTE)
        reference = f"correction:{number}:1"
        assert all(len(scene.chat.texts(f"u-{code}", reference)) == 1 for code in CODES[:7])
        # The next one goes into the new room, and quotes nothing that was said in the old one.
        await correct_again(scene, number)
        last = [each for each in scene.chat.deliveries if each.address.id == "room-3"]
        assert [each.message.quote for each in last] == [None]


async def correct_again(scene: Scene, number: int) -> None:
    await correct(scene, number)
    assert all(len(scene.chat.texts(f"u-{code}", f"correction:{number}:2")) == 1 for code in CODES[:7])


async def test_a_room_that_refuses_for_another_reason_is_kept(database: Database) -> None:
    async with scene_on(database, people(7, "chat", "line"), rooms=True) as scene:
        scene.chat.offended.add("room-1")
        number = await sent(scene)
        await scene.hall.advance(5 * MINUTE)
        assert scene.counts(CODES[:7], number) == [1] * 7
        assert sorted(scene.chat.rooms) == ["room-1", "room-2"]


# ------------------------------------------------------------------ other words


async def test_an_invitation_is_moved_as_it_is_and_an_answer_is_not(database: Database) -> None:
    third = line_platform("third")
    async with scene_on(database, people(6, "chat", "line", "third"), others=[third]) as scene:
        hall = scene.hall
        scene.chat.offended.add("u-003")
        scene.line.offended.add("line-003")
        async with database.transaction() as db:
            ids = (await db.scalars(select(members.c.id))).all()
            for topic, priority in (("survey:1", Priority.REMINDER), ("answer", Priority.REPLY)):
                said = [Message(text="アンケートです。", reference=topic)]
                await tell(db, hall.outbox, ["chat"], ids, said, key=topic, now=hall.clock.now(), priority=priority)
        await hall.advance(5 * MINUTE)
        assert [seen.reference for seen in third.screens["third-003"]] == ["survey:1"]
        assert third.texts("third-003", "survey:1") == ["アンケートです。"]
        assert [scene.chat.tries.count("u-003"), scene.line.tries.count("line-003")] == [2, 1]
        assert scene.line.screens == {}


# ------------------------------------------------------------------ crashes and neighbours


async def test_a_crash_between_the_refusal_and_the_move_loses_nothing(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        await scene.hall.broadcasts.stop()  # the outbox alone lives on, and writes the refusal down
        scene.chat.nobody.add("u-003")
        number = await sent(scene)
        assert await states(database, number) | {"u-003": "dead"} == await states(database, number)
        assert scene.copies("003", number) == []
        await die_and_rise(scene.hall)
        assert scene.counts(CODES, number) == [1] * 12
        assert (await states(database, number))["u-003"] == "replaced"
        await scene.hall.broadcasts.stop()
        await scene.hall.outbox.stop()


async def test_another_process_takes_over_what_a_process_left_behind(tmp_path: Path) -> None:
    async with (
        empty_database("postgresql", tmp_path) as database,
        scene_on(database, people(12, "chat", "line")) as scene,
    ):
        hall = scene.hall
        await hall.broadcasts.stop()
        scene.chat.nobody.add("u-003")
        number = await sent(scene)
        async with second_process(scene, sends=False) as (_, second):
            await hall.quiet()
            async with database.transaction() as db:  # as if it had been refused only now, in the process that is gone
                here = (deliveries.c.address == "u-004", deliveries.c.topic == f"broadcast:{number}")
                await db.execute(update(deliveries).where(*here).values(state="dead"))
            second.look_again()
            await hall.quiet()
            hall.outbox.ring()  # which the neighbours do every few seconds
            await hall.quiet()
        assert scene.line.texts("line-003", f"broadcast:{number}") != []
        assert len(scene.line.texts("line-004", f"broadcast:{number}")) == 1


async def test_two_processes_that_see_the_same_refusals_move_everybody_once(tmp_path: Path) -> None:
    staff = [*people(60, "chat", "line"), person("900", "chat")]
    async with (
        empty_database("postgresql", tmp_path) as database,
        scene_on(database, staff, rooms=True) as scene,
        second_process(scene) as (_, second),
    ):
        hall = scene.hall
        scene.chat.offended |= {"room-1", "room-2", "u-003", "u-004", "u-005"}
        for _ in range(3):
            number = await sent(scene)
            hall.broadcasts.look_again()
            second.look_again()
            await hall.advance(MINUTE)
            codes = ["hq", *(f"{n:03}" for n in range(1, 60)), "900"]
            assert scene.counts(codes, number) == [1] * 61


# ------------------------------------------------------------------ whatever is refused

PLATFORMS = ("chat", "line", "third")
refusals = st.sets(st.tuples(st.sampled_from(CODES[:6]), st.sampled_from(PLATFORMS), st.booleans()), max_size=12)


@settings(max_examples=25, deadline=None)
@given(refusals, st.booleans(), st.sampled_from(["well", "refuses", "acts, then cuts"]), st.booleans())
def test_whatever_is_refused_everybody_who_can_be_reached_is_reached_and_nobody_twice_unawares(
    refused: set[tuple[str, str, bool]], rooms: bool, mood: str, die: bool
) -> None:
    asyncio.run(_live_through(refused, rooms=rooms, mood=mood, die=die))


async def _live_through(refused: set[tuple[str, str, bool]], *, rooms: bool, mood: str, die: bool) -> None:
    third = line_platform("third")
    with TemporaryDirectory() as folder:
        async with (
            empty_database("sqlite", Path(folder)) as database,
            scene_on(database, people(6, *PLATFORMS), rooms=rooms, others=[third]) as scene,
        ):
            platforms = dict(zip(PLATFORMS, (scene.chat, scene.line, third), strict=True))
            history: dict[str, list[str]] = {}
            for each in platforms.values():
                each.history = history
            for code, name, known in refused:
                address = f"u-{code}" if name == "chat" else f"{name}-{code}"
                (platforms[name].nobody if known else platforms[name].offended).add(address)
            scene.chat.mood = mood  # type: ignore[assignment] # one of the moods
            number = await sent(scene)
            await scene.hall.advance(timedelta(seconds=45))
            if die:
                await die_and_rise(scene.hall)
            scene.chat.mood = "well"
            await scene.hall.advance(3 * MINUTE)
            hopeless = {
                code for code in CODES[:6] if {name for each, name, _ in refused if each == code} == {*PLATFORMS}
            }
            unread = await scene.hall.broadcasts.unread(number)
            named = {each.name.removeprefix("職員") for each in unread if each.undelivered}
            assert named <= hopeless
            for code in CODES[:6]:
                copies = history.get(f"{code} broadcast:{number}", [])
                assert all(TOLD in text for text in copies[1:])
                assert copies or code in named
            assert (await scene.hall.broadcasts.status(number)).undelivered == len(named)
            if die:
                await scene.hall.broadcasts.stop()
                await scene.hall.outbox.stop()
