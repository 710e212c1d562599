"""A platform goes down in the middle of a notice: everybody is reached elsewhere, soon, and nobody twice unawares."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from bot.messages import Message, Priority
from bot.storage import Database
from bot.tables import deliveries, members
from broadcasts import show
from broadcasts.questions import Question
from broadcasts.tables import broadcast_recipients
from broadcasts.telling import tell
from tests.broadcasts.scene import (
    CODES,
    MINUTE,
    TOLD,
    Mood,
    Scene,
    audited,
    die_and_rise,
    people,
    person,
    recall,
    scene_on,
    second_process,
)
from tests.databases import empty_database


async def test_everybody_gets_the_notice_on_the_internet_within_a_minute(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(MINUTE)
        assert [len(scene.copies(code, number)) for code in CODES] == [1] * 12
        assert scene.chat.screens == {}
        # Nothing was sent that could have arrived, so nobody is told that it might have.
        assert not any(TOLD in text for code in CODES for text in scene.copies(code, number))


async def test_the_preview_names_the_platform_that_is_down_and_the_status_who_was_moved(database: Database) -> None:
    async with scene_on(database, [*people(12, "chat", "line"), person("900", "line")]) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(MINUTE)
        found = await scene.hall.broadcasts.status(number)
        assert (found.moved, found.waiting) == (12, 0)
        texts = scene.hall.broadcasts.texts
        assert "別の宛先へ送った人 12人" in show.status(texts, found, None, 5_000)[0]
        chief = await scene.hall.member("hq")
        async with database.transaction() as db:
            draft = await scene.hall.broadcasts.draft(db, chief, "二つめ")
            seen = await scene.hall.broadcasts.preview(db, draft)
        assert seen.platforms == [("chat", 12), ("line", 1)]
        assert seen.down == ["chat"]
        [page] = show.preview(texts, seen, 5_000)
        assert "chat は、いま止まっています" in page
        scene.chat.mood = "well"


async def test_nothing_comes_again_when_the_platform_is_back(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(MINUTE)
        scene.chat.mood = "well"
        await scene.hall.advance(10 * MINUTE)
        assert [len(scene.copies(code, number)) for code in CODES] == [1] * 12
        async with database.snapshot() as db:
            waiting = await db.scalars(select(deliveries.c.id).where(deliveries.c.state == "queued"))
            assert waiting.all() == []


async def test_a_blip_moves_nobody(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(timedelta(seconds=8))
        scene.chat.mood = "well"
        await scene.hall.advance(10 * MINUTE)
        assert scene.line.screens == {}
        assert [len(scene.copies(code, number)) for code in CODES] == [1] * 12


async def test_a_copy_that_may_be_the_second_says_so_and_no_other(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "acts, then cuts"
        number = await scene.hall.send()
        await scene.hall.advance(timedelta(seconds=5))
        scene.chat.mood = "refuses"
        await scene.hall.advance(MINUTE)
        tried = {person.removeprefix("u-") for person in scene.chat.screens}
        assert 2 <= len(tried) < 12
        for code in CODES:
            *first, last = scene.copies(code, number)
            assert len(first) == (code in tried)
            assert (TOLD in last) == (code in tried)
            assert not any(TOLD in text for text in first)
        scene.chat.mood = "well"
        await scene.hall.advance(10 * MINUTE)
        assert [len(scene.copies(code, number)) for code in CODES] == [1 + (code in tried) for code in CODES]


async def test_who_has_no_other_address_waits_and_gets_it_when_the_platform_is_back(database: Database) -> None:
    staff = [*people(6, "chat", "line"), person("900", "chat")]
    async with scene_on(database, staff) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(5 * MINUTE)
        assert scene.copies("900", number) == []
        scene.chat.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        codes = [*CODES[:6], "900"]
        assert [len(scene.copies(code, number)) for code in codes] == [1] * 7
        assert [code for code in codes if scene.chat.texts(f"u-{code}", f"broadcast:{number}")] == ["900"]


async def test_members_of_a_room_are_moved_as_persons_and_the_room_stays_silent(database: Database) -> None:
    staff = [*people(7, "chat", "line"), person("900", "chat")]
    async with scene_on(database, staff, rooms=True) as scene:
        assert len(scene.chat.rooms) == 2
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(MINUTE)
        assert [len(scene.copies(code, number)) for code in CODES[:7]] == [1] * 7
        scene.chat.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        codes = [*CODES[:7], "900"]
        assert [len(scene.copies(code, number)) for code in codes] == [1] * 8
        assert scene.chat.screens["u-900"][0].room is None


async def test_a_room_whose_message_may_have_gone_tells_all_its_members(database: Database) -> None:
    staff = [*people(7, "chat", "line"), person("900", "chat")]
    async with scene_on(database, staff, rooms=True) as scene:
        scene.chat.mood = "acts, then cuts"
        number = await scene.hall.send()
        await scene.hall.advance(timedelta(seconds=5))
        scene.chat.mood = "refuses"
        await scene.hall.advance(MINUTE)
        scene.chat.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        for code in [*CODES[:7], "900"]:
            first, last = scene.copies(code, number)
            assert TOLD not in first
            assert TOLD in last


async def test_a_house_with_one_platform_waits_as_ever(database: Database) -> None:
    async with scene_on(database, people(7, "chat"), rooms=True) as scene:
        scene.chat.mood = "acts, then cuts"
        number = await scene.hall.send()
        await scene.hall.advance(2 * MINUTE)
        scene.chat.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        assert [len(scene.copies(code, number)) for code in CODES[:7]] == [1] * 7
        assert scene.line.screens == {}
        async with database.snapshot() as db:
            routes = await db.execute(select(broadcast_recipients.c.room_id, broadcast_recipients.c.instead_of))
            assert all(row.room_id is not None and row.instead_of is None for row in routes)
        assert "broadcast.moved" not in await audited(database)


async def test_a_notice_that_is_sent_while_a_platform_is_down_is_moved_after_one_probe(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        await scene.hall.send("一つめ")
        await scene.hall.advance(MINUTE)
        number = await scene.hall.send("二つめ")
        await scene.hall.advance(timedelta(seconds=15))
        assert [len(scene.copies(code, number)) for code in CODES] == [1] * 12


async def test_a_notice_that_is_sent_after_the_platform_came_back_unseen_goes_by_it(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        await scene.hall.send("一つめ")
        await scene.hall.advance(MINUTE)
        scene.chat.mood = "well"
        number = await scene.hall.send("二つめ")
        await scene.hall.advance(MINUTE)
        assert all(len(scene.chat.texts(f"u-{code}", f"broadcast:{number}")) == 1 for code in CODES)
        assert not any(scene.line.texts(f"line-{code}", f"broadcast:{number}") for code in CODES)


async def test_if_all_platforms_are_down_the_first_that_is_back_gets_it(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = scene.line.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(5 * MINUTE)
        assert all(scene.copies(code, number) == [] for code in CODES)
        scene.line.mood = "well"
        await scene.hall.advance(10 * MINUTE)
        assert [len(scene.copies(code, number)) for code in CODES] == [1] * 12


async def move_some_perhaps_twice(scene: Scene, *, minutes: int = 1) -> int:
    """A notice of which the chat has shown some copies without an answer, and which then was moved."""
    scene.chat.mood = "acts, then cuts"
    number = await scene.hall.send()
    await scene.hall.advance(timedelta(seconds=5))
    scene.chat.mood = "refuses"
    await scene.hall.advance(minutes * MINUTE)
    return number


async def test_a_recall_reaches_both_copies(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        number = await move_some_perhaps_twice(scene)
        await recall(scene, number)
        # The Internet's platform cannot delete: each copy is followed by a word. The chat is still down.
        assert all(
            f"recall:{number}" in {seen.reference for seen in scene.line.screens[f"line-{code}"]} for code in CODES
        )
        assert scene.chat.gone == set()
        scene.chat.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        assert scene.chat.screens
        assert all(scene.chat.texts(person, f"broadcast:{number}") == [] for person in scene.chat.screens)
        # Whom the chat never reached, nothing was sent to only to be deleted.
        assert len(scene.chat.screens) < 12


async def test_what_certainly_never_arrived_is_not_taken_back(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(MINUTE)
        await recall(scene, number)
        scene.chat.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        assert scene.chat.screens == {}


async def test_a_withdrawal_goes_to_both_where_neither_platform_can_delete(database: Database) -> None:
    async with scene_on(database, people(12, "line", "chat"), rooms=True) as scene:
        scene.line.mood = "acts, then cuts"
        number = await scene.hall.send()
        await scene.hall.advance(timedelta(seconds=5))
        scene.line.mood = "refuses"
        await scene.hall.advance(MINUTE)
        await recall(scene, number)
        scene.line.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        told = {person for person, screen in scene.line.screens.items() if screen[-1].reference == f"recall:{number}"}
        assert told == set(scene.line.screens)
        assert all(scene.chat.texts(f"u-{code}", f"broadcast:{number}") == [] for code in CODES)


async def test_a_correction_goes_where_each_got_the_notice(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line"), rooms=True) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(MINUTE)
        hall = scene.hall
        chief = await hall.member("hq")
        async with database.transaction() as db:
            row = await hall.broadcasts.notice(db, number)
            drafted = await hall.broadcasts.corrections.draft(db, row, chief, "会議は明日です。")
            await hall.broadcasts.corrections.send(db, drafted.id, chief)
        scene.chat.mood = "well"
        await hall.advance(10 * MINUTE)
        reference = f"correction:{number}:1"
        assert all(len(scene.line.texts(f"line-{code}", reference)) == 1 for code in CODES)
        assert not any(scene.chat.texts(f"u-{code}", reference) for code in CODES)


async def test_a_correction_that_is_stuck_is_moved_and_drops_the_quote(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line"), rooms=True) as scene:
        hall = scene.hall
        number = await hall.send()
        await hall.quiet()
        await hall.reads(*(hall.read_event(code, scene.chat.screens[f"u-{code}"][0].message_id) for code in CODES[:3]))
        scene.chat.mood = "refuses"
        chief = await hall.member("hq")
        async with database.transaction() as db:
            row = await hall.broadcasts.notice(db, number)
            drafted = await hall.broadcasts.corrections.draft(db, row, chief, "会議は明日です。")
            await hall.broadcasts.corrections.send(db, drafted.id, chief)
        await hall.advance(MINUTE)
        reference = f"correction:{number}:1"
        assert all(len(scene.line.texts(f"line-{code}", reference)) == 1 for code in CODES)
        assert all(each.message.quote is None for each in scene.line.deliveries)
        scene.chat.mood = "well"
        await hall.advance(10 * MINUTE)
        assert not any(scene.chat.texts(f"u-{code}", reference) for code in CODES)


async def test_a_read_on_either_platform_is_read_everywhere(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        hall = scene.hall
        number = await hall.send()
        await hall.quiet()
        scene.chat.mood = "refuses"
        await hall.advance(14 * MINUTE)
        for code in CODES[:4]:
            await hall.reads(hall.read_event(code, scene.chat.screens[f"u-{code}"][0].message_id))
        await hall.advance(2 * MINUTE)
        await hall.advance(MINUTE)
        reminded = [code for code in CODES if scene.line.texts(f"line-{code}", f"reminder:{number}:1")]
        assert reminded == CODES[4:]
        async with database.transaction() as db:
            await hall.broadcasts.acknowledge(db, number, await hall.member("005"))
        found = await hall.broadcasts.status(number)
        assert found.read == 5
        await hall.advance(15 * MINUTE)
        again = [code for code in CODES if scene.line.texts(f"line-{code}", f"reminder:{number}:2")]
        assert again == [code for code in CODES[4:] if code != "005"]


async def test_a_reminder_goes_where_the_person_can_be_reached_now(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(16 * MINUTE)
        assert all(len(scene.line.texts(f"line-{code}", f"reminder:{number}:1")) == 1 for code in CODES)
        scene.chat.mood = "well"
        await scene.hall.advance(15 * MINUTE)
        assert not any(scene.chat.texts(f"u-{code}", f"reminder:{number}:1") for code in CODES)


@pytest.mark.parametrize("mood", ["refuses", "cuts"])
async def test_an_invitation_is_moved_as_it_is_and_an_answer_is_not(database: Database, mood: Mood) -> None:
    async with scene_on(database, [*people(6, "chat", "line"), person("900", "chat")]) as scene:
        hall = scene.hall
        scene.chat.mood = mood
        async with database.transaction() as db:
            ids = (await db.scalars(select(members.c.id))).all()
            for topic, priority in (("survey:1", Priority.EMERGENCY), ("answer", Priority.REPLY)):
                said = [Message(text="アンケートです。", reference=topic)]
                await tell(db, hall.outbox, ["chat"], ids, said, key=topic, now=hall.clock.now(), priority=priority)
        await hall.advance(MINUTE)
        texts = [text for code in CODES[:6] for text in scene.line.texts(f"line-{code}", "survey:1")]
        assert len(texts) == 6
        assert any(TOLD in text for text in texts) == (mood == "cuts")
        assert all(not each.message.buttons for each in scene.line.deliveries)
        scene.chat.mood = "well"
        await hall.advance(15 * MINUTE)
        assert [seen.reference for seen in scene.chat.screens["u-001"]] == ["answer"]
        assert sorted(seen.reference or "" for seen in scene.chat.screens["u-900"]) == ["answer", "survey:1"]
        assert all(seen.reference == "survey:1" for screen in scene.line.screens.values() for seen in screen)


@pytest.mark.parametrize("rooms", [False, True])
async def test_two_processes_that_see_it_at_once_move_everybody_once(tmp_path: Path, rooms: bool) -> None:
    staff = [*people(60, "chat", "line"), person("900", "chat")]
    async with (
        empty_database("postgresql", tmp_path) as database,
        scene_on(database, staff, rooms=rooms) as scene,
        second_process(scene) as (other, _),
    ):
        hall = scene.hall
        scene.chat.mood = "refuses"
        number = await hall.send()
        await hall.advance(MINUTE)
        assert "chat" in hall.outbox.down | other.down  # with one message to send, one of them alone may know
        scene.chat.mood = "well"
        await hall.advance(3 * MINUTE)
        codes = ["hq", *(f"{n:03}" for n in range(1, 60)), "900"]
        assert [len(scene.copies(code, number)) for code in codes] == [1] * 61


async def test_an_emergency_that_asks_is_moved_with_its_buttons(database: Database) -> None:
    async with scene_on(database, people(12, "chat", "line")) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send("地震です。", kind="drill", question=Question(asks="safety"))
        await scene.hall.advance(MINUTE)
        moved = [each for each in scene.line.deliveries if each.message.reference == f"broadcast:{number}"]
        assert len(moved) == 12
        assert all(each.message.text.startswith("【訓練】") for each in moved)
        assert all(len(each.message.buttons) == 3 for each in moved)


async def test_a_platform_without_receipts_gets_the_button_and_one_with_them_does_not(database: Database) -> None:
    async with scene_on(database, [*people(4, "chat", "line"), person("700", "line", "chat")]) as scene:
        scene.chat.mood = "refuses"
        number = await scene.hall.send()
        await scene.hall.advance(MINUTE)
        assert all(len(each.message.buttons) == 1 for each in scene.line.deliveries)
        scene.chat.mood, scene.line.mood = "well", "refuses"
        await scene.hall.advance(10 * MINUTE)
        second = await scene.hall.send()
        await scene.hall.advance(MINUTE)
        assert len(scene.chat.texts("u-700", f"broadcast:{second}")) == 1
        assert all(not each.message.buttons for each in scene.chat.deliveries)
        assert number != second


MOODS: tuple[Mood, ...] = ("well", "refuses", "cuts", "acts, then cuts", "acts, then we die")
steps = st.lists(
    st.tuples(
        st.sampled_from(MOODS),
        st.sampled_from(MOODS),
        st.sampled_from([0, 2, 15, 45, 120]),
        st.booleans(),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(steps, st.booleans())
def test_whatever_fails_in_whatever_order_nobody_misses_it_and_nobody_gets_it_twice_unawares(
    course: list[tuple[Mood, Mood, int, bool]], rooms: bool
) -> None:
    asyncio.run(_live_through(course, rooms=rooms))


async def _live_through(course: list[tuple[Mood, Mood, int, bool]], *, rooms: bool) -> None:
    staff = [*people(6, "chat", "line"), person("700", "line", "chat"), person("800", "chat"), person("900", "line")]
    with TemporaryDirectory() as folder:
        async with empty_database("sqlite", Path(folder)) as database, scene_on(database, staff, rooms=rooms) as scene:
            history: dict[str, list[str]] = {}
            scene.chat.history = scene.line.history = history
            number: int | None = None
            for chat, line, seconds, die in course:
                scene.chat.mood, scene.line.mood = chat, line
                number = number or await scene.hall.send()
                await scene.hall.advance(timedelta(seconds=seconds))
                if die:
                    await die_and_rise(scene.hall)
            scene.chat.mood = scene.line.mood = "well"
            number = number or await scene.hall.send()
            await die_and_rise(scene.hall)
            await scene.hall.advance(timedelta(hours=3))
            reference = f"broadcast:{number}"
            for code in [*CODES[:6], "700", "800", "900"]:
                first, *later = history[f"{code} {reference}"]
                assert first
                assert all(TOLD in text for text in later), (code, later)
            await scene.hall.broadcasts.stop()
            await scene.hall.outbox.stop()
