"""The keeper: the platform follows the roster, and no notice comes twice or not at all meanwhile."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from bot.storage import Database
from bot.tables import addresses, members
from broadcasts import seating
from broadcasts.keeper import LEASE
from broadcasts.naming import named
from broadcasts.tables import room_places, rooms
from tests.broadcasts.support import Hall, Platform, city_hall, entry, staff

MINUTE = timedelta(minutes=1)


async def everybody_once(hall: Hall, count: int) -> None:
    number = await hall.send()
    await hall.advance(MINUTE)
    copies = hall.platform.copies(f"broadcast:{number}")
    assert set(copies.values()) == {1}
    assert len(copies) == count


async def test_newcomers_join_the_emptiest_room_and_a_full_house_gets_another_room(database: Database) -> None:
    async with city_hall(database, staff(7)) as hall:
        assert sorted(map(len, hall.platform.rooms.values())) == [3, 4]
        await hall.hire(entry("100", "税務課"))
        assert sorted(map(len, hall.platform.rooms.values())) == [4, 4]
        await hall.hire(entry("101", "税務課"))
        assert sorted(map(len, hall.platform.rooms.values())) == [1, 4, 4]
        assert hall.platform.largest == 4
        await everybody_once(hall, 9)


async def test_leavers_are_taken_out(database: Database) -> None:
    async with city_hall(database, staff(7)) as hall:
        async with database.transaction() as db:
            await db.execute(update(members).where(members.c.code == "003").values(active=False))
        hall.broadcasts.roster_changed()
        await hall.quiet()
        assert not any("u-003" in people for people in hall.platform.rooms.values())
        await everybody_once(hall, 6)


async def test_somebody_who_changes_departments_moves_between_the_departments_rooms(database: Database) -> None:
    async with city_hall(database, staff(10)) as hall:
        async with database.snapshot() as db:
            tax = await named(db, ["税務課"])
            roads = await named(db, ["土木課"])
        await hall.send(audience=tax)
        await hall.send(audience=roads)
        await hall.hire(entry("001", "土木課"))
        number = await hall.send(audience=roads)
        await hall.advance(MINUTE)
        assert hall.platform.copies(f"broadcast:{number}") == {"u-001": 1, "u-002": 1, "u-005": 1, "u-008": 1}
        again = await hall.send(audience=tax)
        await hall.advance(MINUTE)
        assert "u-001" not in hall.platform.copies(f"broadcast:{again}")


async def test_a_new_account_of_a_member_takes_the_place_of_the_old_one(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        async with database.transaction() as db:
            await db.execute(update(addresses).where(addresses.c.address == "u-001").values(address="u-new"))
        hall.broadcasts.roster_changed()
        await hall.quiet()
        (people,) = hall.platform.rooms.values()
        assert sorted(people) == ["u-002", "u-hq", "u-new"]
        await everybody_once(hall, 3)


async def test_while_the_platform_makes_no_rooms_everybody_gets_the_notice_by_pair_talk(database: Database) -> None:
    class Roomless(Platform):
        async def create_room(self, title: str, members: object, *, key: str) -> str:
            raise ConnectionError("No rooms today.")

    async with city_hall(database, staff(7), platform=Roomless()) as hall:
        await everybody_once(hall, 7)
        assert {each.address.kind for each in hall.platform.deliveries} == {"person"}


async def test_a_platform_that_was_down_gets_its_rooms_when_it_is_back(database: Database) -> None:
    platform = Platform(down=True)
    async with city_hall(database, staff(7), platform=platform) as hall:
        assert platform.rooms == {}
        platform.down = False
        await hall.advance(2 * MINUTE)
        assert sorted(map(len, platform.rooms.values())) == [3, 4]
        await everybody_once(hall, 7)


async def test_one_whom_the_platform_does_not_know_keeps_nobody_else_out_of_the_room(database: Database) -> None:
    platform = Platform(unwanted={"u-002"})
    async with city_hall(database, staff(4), platform=platform) as hall:
        assert sorted(*platform.rooms.values()) == ["u-001", "u-003", "u-hq"]
        await hall.send()
        await hall.quiet()
        assert sorted(each.address.kind for each in platform.deliveries) == ["room"]
        platform.unwanted.clear()
        await hall.advance(2 * MINUTE)
        assert len(*platform.rooms.values()) == 4


async def test_a_room_is_not_changed_under_a_notice_that_still_waits_for_it(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        await hall.quiet()
        hall.platform.down = True
        number = await hall.send()
        await hall.quiet()
        hall.platform.down = False
        await hall.hire(entry("100", "税務課"))
        (people,) = hall.platform.rooms.values()
        assert "u-100" not in people
        await hall.advance(5 * MINUTE)
        assert "u-100" not in hall.platform.copies(f"broadcast:{number}")
        assert len(hall.platform.copies(f"broadcast:{number}")) == 3
        (people,) = hall.platform.rooms.values()
        assert "u-100" in people
        await everybody_once(hall, 4)


async def test_a_room_that_is_just_being_changed_is_not_used(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        await hall.broadcasts.rooms.stop()
        async with database.transaction() as db:
            await db.execute(update(rooms).values(changing_until=hall.clock.now() + LEASE))
        await everybody_once(hall, 3)
        assert {each.address.kind for each in hall.platform.deliveries} == {"person"}


async def test_a_change_that_a_crash_cut_off_is_finished_by_the_next_process(database: Database) -> None:
    async with city_hall(database, staff(5)) as hall:
        await hall.broadcasts.stop()
        before = {room: list(people) for room, people in hall.platform.rooms.items()}
        async with database.transaction() as db:
            # As if the rooms had been made and filled, and the process had died before it could write that down.
            await db.execute(update(rooms).values(platform_id=None, changing_until=hall.clock.now() + LEASE))
            await db.execute(update(room_places).values(state="wanted"))
        await hall.broadcasts.start()
        await hall.advance(2 * LEASE)
        assert hall.platform.rooms == before
        await everybody_once(hall, 5)
        assert {each.address.kind for each in hall.platform.deliveries} == {"room"}


async def test_whoever_leaves_a_room_by_themselves_gets_notices_by_pair_talk_until_they_return(
    database: Database,
) -> None:
    async with city_hall(database, staff(3)) as hall:
        (room,) = hall.platform.rooms
        hall.platform.rooms[room].remove("u-001")
        async with database.transaction() as db:
            await seating.left(db, "chat", room, "u-001")
        await everybody_once(hall, 3)
        hall.platform.rooms[room].append("u-001")
        async with database.transaction() as db:
            await seating.joined(db, "chat", room, "u-001")
        await everybody_once(hall, 3)
        assert [each.address.kind for each in hall.platform.deliveries].count("person") == 1


async def test_a_lowered_limit_of_the_platform_is_followed(database: Database) -> None:
    async with city_hall(database, staff(8)) as hall:
        capabilities = hall.platform.capabilities
        hall.platform.capabilities = type(capabilities)(room_size=3, native_receipts=True)
        hall.platform.largest = 0
        hall.broadcasts.roster_changed()
        await hall.advance(MINUTE)
        assert sorted(map(len, hall.platform.rooms.values())) == [2, 3, 3]
        await everybody_once(hall, 8)


async def test_whoever_is_wanted_again_before_they_were_taken_out_stays(database: Database) -> None:
    async with city_hall(database, staff(3)) as hall:
        hall.platform.down = True
        for active in (False, True):
            async with database.transaction() as db:
                await db.execute(update(members).where(members.c.code == "001").values(active=active))
            hall.broadcasts.roster_changed()
            await hall.quiet()
        hall.platform.down = False
        await hall.advance(10 * MINUTE)
        async with database.snapshot() as db:
            assert set(await db.scalars(select(room_places.c.state))) == {"present"}
        await everybody_once(hall, 3)


async def test_a_lone_member_needs_no_room(database: Database) -> None:
    async with city_hall(database, staff(1)) as hall:
        assert hall.platform.rooms == {}
        await everybody_once(hall, 1)
