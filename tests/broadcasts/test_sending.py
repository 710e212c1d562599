"""From draft to everybody's screen."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update

from bot import directory
from bot.adapter import Capabilities
from bot.audit import auditing
from bot.audit.tables import audit_log
from bot.errors import Forbidden, Refused
from bot.messages import Priority
from bot.storage import Database
from bot.tables import addresses, deliveries, departments, members
from broadcasts.audience import EVERYONE, Departments, Members
from broadcasts.naming import named
from broadcasts.tables import broadcast_recipients, rooms
from tests.broadcasts.support import Platform, city_hall, entry, staff


async def test_all_staff_get_a_notice_once_through_balanced_rooms(database: Database) -> None:
    async with city_hall(database, staff(10)) as hall:
        assert sorted(map(len, hall.platform.rooms.values())) == [3, 3, 4]
        number = await hall.send()
        await hall.quiet()
        assert hall.platform.copies(f"broadcast:{number}") == dict.fromkeys(
            ["u-hq", *(f"u-{each:03}" for each in range(1, 10))], 1
        )
        assert len(hall.platform.deliveries) == 3
        assert {each.message.text for each in hall.platform.deliveries} == {"【お知らせ】\n本日の会議は中止です。"}


async def test_the_next_notice_uses_the_same_rooms(database: Database) -> None:
    async with city_hall(database, staff(10)) as hall:
        await hall.send()
        await hall.quiet()
        first = {each.address.id for each in hall.platform.deliveries}
        await hall.send()
        await hall.quiet()
        assert {each.address.id for each in hall.platform.deliveries} == first
        assert len(hall.platform.rooms) == 3


async def test_nobody_waits_for_a_room_that_the_platform_does_not_make(database: Database) -> None:
    platform = Platform(capabilities=Capabilities(room_size=None, native_receipts=True))
    async with city_hall(database, staff(10), platform=platform) as hall:
        number = await hall.send()
        await hall.quiet()
        assert platform.rooms == {}
        assert set(platform.copies(f"broadcast:{number}").values()) == {1}
        assert len(platform.deliveries) == 10


async def test_the_preview_tells_exactly_who_gets_it_and_how(database: Database) -> None:
    people = [*staff(10), entry("900", "税務課", reachable=False)]
    async with city_hall(database, people) as hall:
        chief = await hall.member("hq")
        async with database.transaction() as db:
            number = await hall.broadcasts.draft(db, chief, "避難所を開けます。", kind="emergency")
            seen = await hall.broadcasts.preview(db, number)
        assert seen.recipients == 11
        assert dict(seen.departments) == {"総務課": 4, "税務課": 4, "土木課": 3}
        assert [count for _, count in seen.rooms] == [4, 3, 3]
        assert [title for title, _ in seen.rooms] == ["全職員 1", "全職員 2", "全職員 3"]
        assert (seen.pair_talks, seen.unreachable) == (0, 1)
        assert seen.text == "【緊急】\n避難所を開けます。"
        await hall.quiet()
        assert hall.platform.deliveries == []


async def test_a_changed_audience_stops_the_sending_until_it_was_seen(database: Database) -> None:
    async with city_hall(database, staff(6)) as hall:
        chief = await hall.member("hq")
        async with database.transaction() as db:
            number = await hall.broadcasts.draft(db, chief, "本文")
            seen = await hall.broadcasts.preview(db, number)
        await hall.hire(entry("777", "税務課"))
        async with database.transaction() as db:
            assert (await hall.broadcasts.confirm(db, number, chief, seen.fingerprint)).outcome == "changed"
        await hall.quiet()
        assert hall.platform.deliveries == []
        async with database.transaction() as db:
            again = await hall.broadcasts.preview(db, number)
            assert again.recipients == 7
            confirmation = await hall.broadcasts.confirm(db, number, chief, again.fingerprint)
        assert (confirmation.outcome, confirmation.recipients) == ("sent", 7)


async def test_confirming_many_times_at_once_sends_once(database: Database) -> None:
    async with city_hall(database, staff(6)) as hall:
        chief = await hall.member("hq")
        async with database.transaction() as db:
            number = await hall.broadcasts.draft(db, chief, "本文")
            seen = await hall.broadcasts.preview(db, number)

        async def confirm() -> str:
            async with database.transaction() as db:
                return (await hall.broadcasts.confirm(db, number, chief, seen.fingerprint)).outcome

        outcomes = await asyncio.gather(*(confirm() for _ in range(5)))
        assert sorted(outcomes) == ["already"] * 4 + ["sent"]
        await hall.quiet()
        assert set(hall.platform.copies(f"broadcast:{number}").values()) == {1}


async def test_a_draft_that_was_thrown_away_cannot_be_sent(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        chief = await hall.member("hq")
        async with database.transaction() as db:
            number = await hall.broadcasts.draft(db, chief, "本文")
            seen = await hall.broadcasts.preview(db, number)
            assert await hall.broadcasts.cancel(db, number, chief)
            assert (await hall.broadcasts.confirm(db, number, chief, seen.fingerprint)).outcome == "cancelled"
            assert not await hall.broadcasts.cancel(db, number, chief)


async def test_only_the_headquarters_may_send_and_a_refusal_is_written_down(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        clerk = await hall.member("001")
        with pytest.raises(Forbidden, match="not_headquarters"):
            async with auditing(database, hall.clock) as db:
                await hall.broadcasts.draft(db, clerk, "本文")
        async with database.snapshot() as db:
            row = (await db.execute(select(audit_log))).one()
        assert (row.actor, row.action) == ("001", "broadcast.refused")


@pytest.mark.parametrize(("text", "key"), [("  \n ", "refused.empty"), ("あ" * 500, "refused.too_long")])
async def test_a_text_that_cannot_be_sent_is_refused_before_anything_is_kept(
    database: Database, text: str, key: str
) -> None:
    async with city_hall(database, staff(3)) as hall:
        chief = await hall.member("hq")
        async with database.transaction() as db:
            with pytest.raises(Refused) as refusal:
                await hall.broadcasts.draft(db, chief, text)
        assert refusal.value.key == key


async def test_the_longest_text_that_is_accepted_fits_in_its_last_reminder_too(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        chief = await hall.member("hq")
        async with database.transaction() as db:
            with pytest.raises(Refused) as refusal:
                await hall.broadcasts.draft(db, chief, "あ" * 600, kind="drill")
        excess = refusal.value.values["excess"]
        assert isinstance(excess, int)
        await hall.send("あ" * (600 - excess), kind="drill")
        await hall.advance(timedelta(hours=2))
        assert max(len(each.message.text) for each in hall.platform.deliveries) == 500


async def test_an_audience_of_nobody_is_refused(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        chief = await hall.member("hq")
        async with database.transaction() as db:
            with pytest.raises(Refused, match="nobody"):
                await hall.broadcasts.draft(db, chief, "本文", audience=EVERYONE - EVERYONE)


async def test_a_number_that_was_never_given_is_refused(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        async with database.transaction() as db:
            with pytest.raises(Refused, match="no_such"):
                await hall.broadcasts.preview(db, 99)
        with pytest.raises(Refused, match="no_such"):
            await hall.broadcasts.status(99)
        assert await hall.broadcasts.latest() is None


async def test_a_department_has_rooms_of_its_own_and_others_do_not_see_the_notice(database: Database) -> None:
    async with city_hall(database, staff(10)) as hall:
        async with database.snapshot() as db:
            audience = await named(db, ["税務課"])
        number = await hall.send("課内の連絡です。", audience=audience)
        await hall.quiet()
        assert set(hall.platform.copies(f"broadcast:{number}")) == {"u-001", "u-004", "u-007"}
        assert [each.address.kind for each in hall.platform.deliveries] == ["room"]


async def test_people_named_one_by_one_are_reached_by_pair_talk(database: Database) -> None:
    async with city_hall(database, staff(10)) as hall:
        one, two = await hall.member("001"), await hall.member("002")
        number = await hall.send("二人だけへ。", audience=Members(ids=(one.id, two.id)))
        await hall.quiet()
        assert hall.platform.copies(f"broadcast:{number}") == {"u-001": 1, "u-002": 1}
        assert {each.address.kind for each in hall.platform.deliveries} == {"person"}


async def test_a_department_reaches_those_below_it(database: Database) -> None:
    async with city_hall(database, staff(10)) as hall:
        async with database.transaction() as db:
            parent = await db.scalar(select(departments.c.id).where(departments.c.name == "総務課"))
            await db.execute(update(departments).where(departments.c.name == "税務課").values(parent_id=parent))
        assert parent is not None
        number = await hall.send(audience=Departments(ids=(parent,)))
        await hall.quiet()
        assert len(hall.platform.copies(f"broadcast:{number}")) == 7


@pytest.mark.parametrize(
    ("kind", "priority"),
    [("notice", Priority.NOTICE), ("emergency", Priority.EMERGENCY), ("drill", Priority.NOTICE)],
)
async def test_only_a_real_emergency_overtakes(database: Database, kind: str, priority: Priority) -> None:
    async with city_hall(database, staff(3)) as hall:
        await hall.send(kind=kind)
        async with database.snapshot() as db:
            assert set(await db.scalars(select(deliveries.c.priority))) == {int(priority)}


async def test_a_person_without_native_receipts_gets_a_button_to_say_it(database: Database) -> None:
    platform = Platform(capabilities=Capabilities(buttons=4))
    async with city_hall(database, staff(3), platform=platform) as hall:
        number = await hall.send()
        await hall.quiet()
        (button,) = platform.deliveries[0].message.buttons
        assert button.data == f"broadcast:read:{number}"
        async with database.transaction() as db:
            assert await hall.broadcasts.acknowledge(db, number, await hall.member("001"))
            assert not await hall.broadcasts.acknowledge(db, 99, await hall.member("001"))
        assert (await hall.broadcasts.status(number)).read == 1


async def test_a_hundred_thousand_recipients_are_queued_by_one_statement_each(database: Database) -> None:
    """Here with 3,000, so that the suite stays quick; `make bench` takes the full number."""
    platform = Platform(capabilities=Capabilities(room_size=None, native_receipts=True))
    platform.down = True
    async with city_hall(database, staff(2), platform=platform) as hall:
        async with database.transaction() as db:
            department = await db.scalar(select(departments.c.id).limit(1))
            await db.execute(
                insert(members),
                [{"code": f"x{n}", "name": f"x{n}", "department_id": department} for n in range(3_000)],
            )
            await db.execute(
                insert(addresses).from_select(
                    ["member_id", "adapter", "address"],
                    select(members.c.id, func.min("chat"), func.min(members.c.code))
                    .where(members.c.code.like("x%"))
                    .group_by(members.c.id),
                )
            )
        await hall.send()
        async with database.snapshot() as db:
            assert await db.scalar(select(func.count()).select_from(broadcast_recipients)) == 3_002
            assert await db.scalar(select(func.count(deliveries.c.key.distinct()))) == 3_002


async def test_those_who_have_left_the_city_hall_get_nothing(database: Database) -> None:
    async with city_hall(database, staff(10)) as hall:
        async with database.transaction() as db:
            await db.execute(update(members).where(members.c.code == "003").values(active=False))
        hall.broadcasts.roster_changed()
        await hall.quiet()
        number = await hall.send()
        await hall.quiet()
        assert "u-003" not in hall.platform.copies(f"broadcast:{number}")
        assert len(hall.platform.copies(f"broadcast:{number}")) == 9


async def test_a_second_platform_reaches_those_who_are_only_there(database: Database) -> None:
    async with city_hall(database, staff(6)) as hall:
        async with database.transaction() as db:
            await directory.save(
                db, [directory.Entry(code="900", name="遠方", department="総務課", addresses={"elsewhere": "e"})]
            )
        number = await hall.send()
        status = await hall.broadcasts.status(number)
        assert (status.recipients, status.unreachable) == (7, 1)
        async with database.snapshot() as db:
            assert await db.scalar(select(func.count()).select_from(rooms)) == 2
