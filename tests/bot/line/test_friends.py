"""Friends of the account: who they are, and whether they still see what is sent."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from pathlib import Path

from bot.directory import member_at
from bot.unreachable import mark_unreachable, standings, try_again
from config.commands.place import opened
from config.settings import Settings, Storage
from tests.bot.line.town import Town, town


async def reached(town: Town) -> int:
    """How many get a notice."""
    number = len([text for text in town.line.texts() if "点検のお知らせ" in text])
    words = f"{number}回目の点検のお知らせ"
    await town.say("花子", f"/一斉 {words}")
    await town.press("花子", "送信する")
    # Twice for the sender, who saw it beforehand.
    return len([text for text in town.line.texts() if words in text]) - 1


async def test_a_stranger_learns_their_id_on_becoming_a_friend_and_when_they_ask(tmp_path: Path) -> None:
    async with town(tmp_path, ["花子"]) as here:
        stranger = here.line.person("新人")
        await here.line.follow(stranger)
        await here.idle()
        await here.line.say(stranger, "/わたし")
        await here.idle()
        assert [stranger in seen.text for seen in here.line.seen(stranger)] == [True, True]
        assert here.line.used == 0  # 350 new friends must not use up the month
        async with here.house.database.snapshot() as db:
            assert await member_at(db, "line", stranger) is None


async def test_one_of_the_staff_is_told_who_they_are(tmp_path: Path) -> None:
    async with town(tmp_path, ["花子"]) as here:
        [answer] = await here.say("花子", "/whoami")
        assert "花子さん（総務部）" in answer
        assert here.people["花子"] in answer


async def test_who_blocks_the_account_is_not_counted_as_reached_until_they_unblock_it(tmp_path: Path) -> None:
    async with town(tmp_path, ["花子", "太郎", "次郎"]) as here:
        assert await reached(here) == 3
        await here.line.block(here.people["太郎"])
        await here.idle()
        assert await reached(here) == 2
        assert [call.body["to"] for call in here.line.calls if call.path == "message/multicast"][-1] == sorted(
            [here.people["花子"], here.people["次郎"]], key=[here.people[name] for name in here.people].index
        )
        await here.line.follow(here.people["太郎"])
        await here.idle()
        assert await reached(here) == 3


async def test_whoever_speaks_to_the_account_is_reached_there_again(tmp_path: Path) -> None:
    async with town(tmp_path, ["花子", "太郎", "次郎"]) as here:
        async with here.house.database.transaction() as db:  # as after a refusal
            await mark_unreachable(db, "line", here.people["太郎"], here.clock.now(), "It was refused.")
        assert await reached(here) == 2
        await here.say("太郎", "/わたし")
        assert await reached(here) == 3


async def test_an_operator_s_wish_is_heard_by_the_bot_that_runs(tmp_path: Path) -> None:
    async with town(tmp_path, ["花子", "太郎", "次郎"]) as here:
        async with here.house.database.transaction() as db:
            await mark_unreachable(db, "line", here.people["太郎"], here.clock.now(), "It was refused.")
        assert await reached(here) == 2
        async with (
            opened(Settings(storage=Storage(folder=tmp_path, durability="process"))) as same,
            same.transaction() as db,
        ):
            again = [each for each in await standings(db) if not each.reachable]
            assert await try_again(db, here.clock, again, by="os:ops") == again
        assert await reached(here) == 3


async def test_the_later_of_following_and_blocking_counts_in_whatever_order_they_are_told(tmp_path: Path) -> None:
    async with town(tmp_path, ["花子", "太郎"]) as here:
        taro = here.people["太郎"]
        moments: dict[int, dict[str, object]] = {}
        for kind in ("unfollow", "follow", "unfollow", "follow"):
            moments[len(moments)] = here.line.event(kind, taro)
            here.clock.advance(timedelta(seconds=30))
        orders = list(permutations(range(3)))  # the last of these three blocks
        for number, order in enumerate(orders):
            for place in order:
                event = moments[place] | {"webhookEventId": f"{number}-{place}"}
                assert await here.line.post(event) == 200
            await here.idle()
            assert await is_reached(here, taro) is False, order
        for place in (3, 0, 2, 1):
            assert await here.line.post(moments[place] | {"webhookEventId": f"last-{place}"}) == 200
        await here.idle()
        assert await is_reached(here, taro) is True


async def test_words_from_before_somebody_blocked_the_account_do_not_bring_them_back(tmp_path: Path) -> None:
    async with town(tmp_path, ["花子", "太郎"]) as here:
        taro = here.people["太郎"]
        message = {"id": "1", "type": "text", "text": "/わたし"}
        said = here.line.event("message", taro, message=message)
        here.clock.advance(timedelta(seconds=1))
        await here.line.block(taro)
        await here.idle()
        assert await here.line.post(said) == 200  # LINE delivers it again, late
        await here.idle()
        assert await is_reached(here, taro) is False
        here.clock.advance(timedelta(seconds=1))
        assert await here.line.post(here.line.event("message", taro, message=message)) == 200
        await here.idle()
        assert await is_reached(here, taro) is True


async def is_reached(here: Town, address: str) -> bool:
    async with here.house.database.snapshot() as db:
        [found] = [each.reachable for each in await standings(db) if each.address == address]
    return found
