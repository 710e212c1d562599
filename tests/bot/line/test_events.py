"""What LINE calls the bot with, in the house's words."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import orjson
import pytest

from bot.adapters.line import Line
from bot.clock import ManualClock
from bot.events import (
    ButtonPressed,
    Event,
    MemberJoined,
    MemberLeft,
    MessageReceived,
    MessageUnsent,
    Unknown,
    Unused,
)
from bot.testing.fakes import FakeLine
from tests.bot.line.support import START

ALICE, BOB = "U" + "a" * 32, "U" + "b" * 31 + "0"
GROUP, ROOM = "C" + "1" * 32, "R" + "2" * 32


@pytest.fixture
def parser(clock: ManualClock) -> Line:
    return Line("token", "secret", clock=clock)


def event(kind: str, source: dict[str, str] | None = None, **rest: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "mode": "active",
        "timestamp": 1_688_342_400_123,
        "source": source or {"type": "user", "userId": ALICE},
        "webhookEventId": "01H4DJ8Z6Y6C5K4N0Q2R3S4T5V",
        "deliveryContext": {"isRedelivery": False},
        **rest,
    }


def parsed(parser: Line, *events: object) -> list[Event]:
    return list(parser.parse(orjson.dumps({"destination": BOB, "events": events})))


def one(parser: Line, *events: object) -> Event:
    [found] = parsed(parser, *events)
    return found


def text(content: str = "こんにちは", **rest: Any) -> dict[str, Any]:
    return {"id": "m1", "type": "text", "text": content, **rest}


def test_words_in_pair_talk_keep_their_token_and_its_age(parser: Line) -> None:
    found = one(parser, event("message", message=text(), replyToken="r1"))
    assert isinstance(found, MessageReceived)
    assert (found.key, found.sender, found.conversation) == ("01H4DJ8Z6Y6C5K4N0Q2R3S4T5V", ALICE, ALICE)
    assert (found.direct, found.text, found.message_id) == (True, "こんにちは", "m1")
    assert found.reply_token == "1688342400123:r1"
    assert found.occurred_at == START + timedelta(milliseconds=123)


@pytest.mark.parametrize(
    ("source", "conversation"),
    [
        ({"type": "group", "groupId": GROUP, "userId": ALICE}, GROUP),
        ({"type": "room", "roomId": ROOM, "userId": ALICE}, ROOM),
    ],
)
def test_words_in_a_room_are_answered_in_the_room(parser: Line, source: dict[str, str], conversation: str) -> None:
    found = one(parser, event("message", source, message=text()))
    assert isinstance(found, MessageReceived)
    assert (found.sender, found.conversation, found.direct) == (ALICE, conversation, False)
    assert found.reply_token is None


def test_the_bots_own_name_is_no_part_of_a_command(parser: Line) -> None:
    mention = {
        "mentionees": [
            {"index": 0, "length": 4, "type": "user", "isSelf": True},
            {"index": 11, "length": 3, "type": "user", "userId": ALICE},
        ]
    }
    found = one(parser, event("message", message=text("@回覧板 😀/一斉 @花子", mention=mention)))
    assert isinstance(found, MessageReceived)
    assert found.text == "😀/一斉 @花子"


MOON = "(moon)"


def with_emoji(words: str) -> dict[str, Any]:
    """A message as LINE sends it, with the place of each of its own emoji, counted in UTF-16 units."""
    emojis = []
    for found in re.finditer(r"\(\w+\)", words):
        index = len(words[: found.start()].encode("utf-16-le")) // 2
        emojis.append(
            {"index": index, "length": len(found[0]), "productId": "5ac1bfd5040ab15980c9b435", "emojiId": "1"}
        )
    return text(words, emojis=emojis)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("こんにちは(moon)", "こんにちは(moon)"),
        ("(moon)", "(moon)"),
        ("/ヘルプ(moon)", "/ヘルプ"),
        ("/ヘルプ(moon)(moon)", "/ヘルプ"),
        ("/ヘルプ (moon)", "/ヘルプ"),
        ("(moon)/ヘルプ", "/ヘルプ"),
        ("(moon) ／ヘルプ", "／ヘルプ"),
        ("😀(moon)", "😀(moon)"),
        ("/既読(moon) 2", "/既読 2"),
        ("/既読 2(moon)", "/既読 2"),
        ("/既読 ２(moon) ", "/既読 ２"),
        ("/一斉 大雨です(moon)お気をつけて(moon)", "/一斉 大雨です(moon)お気をつけて(moon)"),
        ("/一斉(moon) 😀大雨です(moon)", "/一斉 😀大雨です(moon)"),
        ("/一斉 (moon)大雨です", "/一斉 (moon)大雨です"),
    ],
)
def test_lines_own_emoji_are_carried_as_their_words_and_do_not_spoil_a_command(
    parser: Line, words: str, meant: str
) -> None:
    found = one(parser, event("message", message=with_emoji(words)))
    assert isinstance(found, MessageReceived)
    assert found.text == meant


def test_emoji_and_the_bots_name_may_stand_side_by_side(parser: Line) -> None:
    message = with_emoji("@回覧板 (moon)/ヘルプ(moon)") | {
        "mention": {"mentionees": [{"index": 0, "length": 4, "type": "user", "isSelf": True}]}
    }
    found = one(parser, event("message", message=message))
    assert isinstance(found, MessageReceived)
    assert found.text == "/ヘルプ"


def test_places_of_emoji_that_lie_outside_of_the_text_or_over_each_other_do_no_harm(parser: Line) -> None:
    places = [{"index": index, "length": length} for index, length in ((0, 3), (1, 9), (500, 10**9), (3, 0), (2, 2))]
    found = one(parser, event("message", message=text("😀/ヘルプ", emojis=places)))
    assert isinstance(found, MessageReceived)


@pytest.mark.parametrize(
    "kind",
    [
        *("accountLink", "activated", "beacon", "botResumed", "botSuspended", "deactivated", "delivery", "membership"),
        *("messageEdited", "module", "things", "videoPlayComplete"),
    ],
)
def test_every_kind_of_event_that_line_documents_is_known(parser: Line, kind: str) -> None:
    document = event(kind)
    del document["source"]  # those about the account have none
    assert isinstance(one(parser, document), Unused)


def test_a_place_and_files_and_stickers_are_messages(parser: Line) -> None:
    place = {
        "id": "m2",
        "type": "location",
        "title": "避難所",
        "address": "長岡市",
        "latitude": 37.4,
        "longitude": 138.8,
    }
    found = one(parser, event("message", message=place))
    assert isinstance(found, MessageReceived)
    assert found.location is not None
    assert (found.location.latitude, found.location.label) == (37.4, "避難所 長岡市")
    for kind in ("image", "video", "audio", "file"):
        found = one(parser, event("message", message={"id": "m3", "type": kind}))
        assert isinstance(found, MessageReceived)
        assert (found.files, found.text) == (1, "")
    found = one(parser, event("message", message={"id": "m4", "type": "sticker", "packageId": "1", "stickerId": "1"}))
    assert isinstance(found, MessageReceived)
    assert found.files == 0


def test_a_pressed_button_brings_its_data(parser: Line) -> None:
    found = one(parser, event("postback", postback={"data": "broadcast:read:1"}, replyToken="r2"))
    assert isinstance(found, ButtonPressed)
    assert (found.sender, found.data, found.reply_token) == (ALICE, "broadcast:read:1", "1688342400123:r2")


def test_friends_come_and_go(parser: Line) -> None:
    assert isinstance(one(parser, event("follow", follow={"isUnblocked": True})), MemberJoined)
    gone = one(parser, event("unfollow"))
    assert isinstance(gone, MemberLeft)
    assert (gone.member, gone.direct) == (ALICE, True)


def test_several_who_join_a_room_are_several_events(parser: Line) -> None:
    source = {"type": "group", "groupId": GROUP}
    people = {"members": [{"type": "user", "userId": ALICE}, {"type": "user", "userId": BOB}]}
    joined = parsed(parser, event("memberJoined", source, joined=people))
    left = parsed(parser, event("memberLeft", source, left=people))
    assert [(type(each), each.member) for each in joined if isinstance(each, MemberJoined)] == [
        (MemberJoined, ALICE),
        (MemberJoined, BOB),
    ]
    assert [each.member for each in left if isinstance(each, MemberLeft)] == [ALICE, BOB]
    assert len({each.key for each in joined}) == 2
    assert {each.conversation for each in joined + left} == {GROUP}


def test_the_bot_itself_comes_into_a_room_and_goes(parser: Line) -> None:
    source = {"type": "group", "groupId": GROUP}
    came, went = one(parser, event("join", source, replyToken="r")), one(parser, event("leave", source))
    assert isinstance(came, MemberJoined)
    assert isinstance(went, MemberLeft)
    assert (came.member, came.conversation, went.member) == (BOB, GROUP, BOB)


def test_a_message_that_is_taken_back_names_itself(parser: Line) -> None:
    found = one(parser, event("unsend", {"type": "group", "groupId": GROUP}, unsend={"messageId": "m9"}))
    assert isinstance(found, MessageUnsent)
    assert found.message_id == "m9"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (event("beacon", beacon={"hwid": "d41d8cd98f", "type": "enter"}), "type 'beacon'"),
        (event("messageEdited", message=text()), "type 'messageEdited'"),
        (event("message", {"type": "group", "groupId": GROUP}, message=text()), "userId is missing"),
        (event("postback", {"type": "room", "roomId": ROOM}, postback={"data": "x:1"}), "userId is missing"),
        (event("message", message=text(), mode="standby"), "standby"),
        (event("message", {"type": "group", "groupId": GROUP}, message=text(), mode="standby"), "standby"),
        (event("unfollow", mode="standby"), "standby"),
        (event("waved", mode="standby"), "standby"),
    ],
)
def test_what_is_understood_and_not_for_us_is_of_no_use_and_no_failure(
    parser: Line, document: dict[str, Any], reason: str
) -> None:
    found = one(parser, document)
    assert isinstance(found, Unused)
    assert reason in found.reason
    assert orjson.loads(found.payload) == document
    assert (found.key, found.occurred_at) == (document["webhookEventId"], START + timedelta(milliseconds=123))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (event("waved"), "no event of the type 'waved'"),
        (event("message", message=text(), mode="asleep"), "no mode 'asleep'"),
        (event("message", message={"id": "m", "type": "hologram"}), "message"),
        (event("message", message={"type": "text", "text": "x"}), "id"),
        (event("message", {"type": "user"}, message=text()), "userId"),
        (event("message", message=text(), timestamp="yesterday"), "timestamp"),
        (event("message", message=text(), timestamp=10**18), "timestamp"),
        ({"type": 3}, "event"),
        ("no object", "event"),
        (None, "event"),
    ],
)
def test_what_is_new_to_us_or_unreadable_is_kept_whole_where_it_is_seen(
    parser: Line, document: object, reason: str
) -> None:
    found = one(parser, document)
    assert isinstance(found, Unknown)
    assert reason in found.reason
    assert orjson.loads(found.payload) == orjson.loads(orjson.dumps(document))
    assert found.key


def test_one_bad_event_does_not_take_the_others_with_it(parser: Line) -> None:
    good = event("message", message=text(), webhookEventId="01H4DJ8Z6Y6C5K4N0Q2R3S4T5W")
    assert [type(each) for each in parsed(parser, {"type": "?"}, good)] == [Unknown, MessageReceived]


def test_a_connection_check_has_no_events(parser: Line) -> None:
    assert parsed(parser) == []


def test_a_redelivery_has_the_key_of_the_first_delivery_also_when_it_comes_alone(parser: Line) -> None:
    first = event("message", message=text(), webhookEventId="01H4DJ8Z6Y6C5K4N0Q2R3S4T5A")
    second = event("message", message=text("もうひとつ"), webhookEventId="01H4DJ8Z6Y6C5K4N0Q2R3S4T5B")
    keys = [each.key for each in parsed(parser, first, second)]
    again = one(parser, {**second, "deliveryContext": {"isRedelivery": True}})
    assert again.key == keys[1]


def test_events_that_share_an_id_are_told_apart_and_an_exact_copy_is_the_same_event(parser: Line) -> None:
    one_text, other = event("message", message=text("一")), event("message", message=text("二"))
    found = parsed(parser, one_text, other, other, one_text)
    assert [each.text for each in found if isinstance(each, MessageReceived)] == ["一", "二"]
    assert found[0].key == "01H4DJ8Z6Y6C5K4N0Q2R3S4T5V"
    assert parsed(parser, one_text, other) == found


@pytest.mark.parametrize("given", [None, "", 7, "x" * 101])
def test_an_event_without_a_usable_id_is_known_by_what_it_says(parser: Line, given: object) -> None:
    document = event("message", message=text(), webhookEventId=given)
    assert one(parser, document).key == one(parser, document).key
    assert one(parser, document).key.startswith("sha256:")


async def test_the_fake_delivers_what_line_would(line: FakeLine, parser: Line) -> None:
    alice = line.person("alice")
    body = line.callback(line.event("message", alice, answerable=True, message=text()))
    [found] = parser.parse(body)
    assert isinstance(found, MessageReceived)
    assert found.sender == alice
    assert found.occurred_at == START
