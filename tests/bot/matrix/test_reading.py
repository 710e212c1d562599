"""What Matrix's events mean, and in which order the bot's messages stand; without a server."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.adapters.matrix import wire
from bot.adapters.matrix.reading import Reader, Unplaced
from bot.adapters.matrix.rooms import Room, Rooms
from bot.clock import ManualClock
from bot.events import ButtonPressed, MemberJoined, MemberLeft, MessageReceived, MessageUnsent, Unknown
from bot.messages import Button, Message

BOT, ALICE, BOB = "@kairanban:example.jp", "@alice:example.jp", "@bob:example.jp"
TALK, GROUP = "!talk", "!group:example.jp"
KEY = wire.button_key("secret")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def reader(rooms: Rooms | None = None, clock: ManualClock | None = None) -> Reader:
    known = rooms or Rooms()
    known.learn({ALICE: [TALK]})
    return Reader("matrix", BOT, "回覧板", KEY, known, clock)


def event(kind: str = wire.MESSAGE, room: str = TALK, sender: str = ALICE, **values: Any) -> dict[str, Any]:
    content = values.pop("content", {"msgtype": "m.text", "body": "こんにちは"})
    common = {"event_id": "$e1", "room_id": room, "sender": sender, "origin_server_ts": 1_688_400_000_000}
    return {**common, "type": kind, "content": content, **values}


def text(body: str, **content: Any) -> dict[str, Any]:
    return {"msgtype": "m.text", "body": body, **content}


# ------------------------------------------------------------------ messages


@pytest.mark.parametrize(
    ("body", "heard"),
    [
        ("こんにちは", "こんにちは"),
        ("!一斉 本文", "/一斉 本文"),
        ("！既読 3", "/既読 3"),
        ("/ping", "/ping"),
        ("回覧板: /ping", "/ping"),
        ("回覧板　!ping", "/ping"),
        ("回覧板はどこですか", "回覧板はどこですか"),
        (f"{BOT} ping", "ping"),
        ("二行\n目", "二行\n目"),
    ],
)
def test_what_a_person_says_in_pair_talk(body: str, heard: str) -> None:
    read = reader().read(event(content=text(body)))
    assert isinstance(read, MessageReceived)
    assert (read.text, read.direct, read.conversation) == (heard, True, ALICE)
    assert read.occurred_at == datetime(2023, 7, 3, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("content", "heard"),
    [
        (text("お昼です"), None),
        (text("回覧板の話です"), None),
        (text("回覧板、/ping"), "/ping"),
        (text("/ping", **{"m.mentions": {"user_ids": [BOT]}}), "/ping"),
        (text("/ping", **{"m.mentions": {"user_ids": [BOB]}}), None),
        (text("/ping", **{"m.mentions": "everybody"}), None),
    ],
)
def test_in_a_room_the_bot_hears_only_its_name(content: dict[str, Any], heard: str | None) -> None:
    read = reader().read(event(room=GROUP, content=content))
    assert (read.text if isinstance(read, MessageReceived) else read) == heard


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"msgtype": "m.notice", "body": "another bot"},
        text("* mended", **{"m.relates_to": {"rel_type": "m.replace", "event_id": "$e0"}}),
    ],
)
def test_what_is_no_word_of_a_person_is_passed_over(content: dict[str, Any]) -> None:
    assert reader().read(event(content=content)) is None


def test_files_and_places_are_told() -> None:
    file = reader().read(event(content={"msgtype": "m.file", "body": "plan.pdf"}))
    assert isinstance(file, MessageReceived)
    assert (file.files, file.text) == (1, "")
    place = {"msgtype": "m.location", "body": "橋", "geo_uri": "geo:35.1,-136.5;u=30"}
    read = reader().read(event(content=place))
    assert isinstance(read, MessageReceived)
    assert read.location is not None
    assert (read.location.latitude, read.location.longitude, read.location.label) == (35.1, -136.5, "橋")
    for wrong in ("geo:95,0", "geo:x", None, "http://example.jp"):
        read = reader().read(event(content={**place, "geo_uri": wrong}))
        assert isinstance(read, MessageReceived)
        assert read.location is None


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [
        ("invite", "join", MemberJoined),
        (None, "join", MemberJoined),
        ("join", "join", None),
        ("join", "leave", MemberLeft),
        ("invite", "leave", MemberLeft),
        ("join", "ban", MemberLeft),
        ("leave", "ban", None),
        (None, "invite", None),
    ],
)
def test_who_comes_and_goes(before: str | None, now: str, kind: type | None) -> None:
    unsigned = {"prev_content": {"membership": before}} if before else {}
    content = {"membership": now}
    read = reader().read(event(wire.MEMBER, GROUP, state_key=BOB, content=content, unsigned=unsigned))
    assert (type(read) if read else None) is kind


def test_what_is_taken_back_is_named_wherever_the_room_version_puts_it() -> None:
    for redaction in (
        event(wire.REDACTION, content={"redacts": "$e0"}),
        event(wire.REDACTION, content={}, redacts="$e0"),
    ):
        read = reader().read(redaction)
        assert isinstance(read, MessageUnsent)
        assert read.message_id == f"{TALK}/$e0"


def test_what_cannot_be_read_is_kept_where_somebody_speaks_to_the_bot_and_nowhere_else() -> None:
    for kind in (wire.ENCRYPTED, "jp.example.waved"):
        read = reader().read(event(kind, content={"ciphertext": "x"}))
        assert isinstance(read, Unknown)
        assert "ciphertext" in read.payload
        assert reader().read(event(kind, GROUP, content={"ciphertext": "x"})) is None
    for kind in ("m.reaction", "m.call.invite", "m.key.verification.start", "org.matrix.msc3381.poll.end"):
        assert reader().read(event(kind, content={})) is None
    assert reader().read(event("m.room.topic", content={}, state_key="")) is None


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(JSON)
def test_no_event_breaks_the_reader(anything: Any) -> None:
    read = reader().read(anything)
    assert isinstance(read, Unknown)
    assert read.reason


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(
    st.dictionaries(st.sampled_from(list(event())), JSON), st.sampled_from([wire.MESSAGE, wire.MEMBER, *wire.READABLE])
)
def test_no_field_breaks_the_reader(wrong: dict[str, Any], kind: str) -> None:
    with suppress(Unplaced):
        reader().read({**event(kind), **wrong})


def test_with_a_clock_events_carry_its_time() -> None:
    clock = ManualClock(datetime(2024, 1, 1, tzinfo=UTC))
    read = reader(clock=clock).read(event())
    assert isinstance(read, MessageReceived)
    assert read.occurred_at == clock.now()


# ------------------------------------------------------------------- buttons


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(st.text(min_size=1, max_size=300), st.text(max_size=20))
def test_a_choice_comes_back_as_the_button_and_message_it_was(data: str, other: str) -> None:
    choice = wire.answer_id(TALK, "$q", data, KEY)
    assert wire.pressed(choice, TALK, KEY) == ("$q", data)
    assert wire.pressed(choice, GROUP, KEY) is None
    assert wire.pressed(choice, TALK, wire.button_key("another")) is None
    assert wire.pressed(other, TALK, KEY) is None


def said(number: int, body: str = "…") -> dict[str, Any]:
    return event(event_id=f"$m{number}", sender=BOT, origin_server_ts=number, content=text(body))


def asked(number: int, *data: str) -> dict[str, Any]:
    buttons = [Button(label=each, data=each) for each in data]
    content = wire.poll_content(buttons, "?", TALK, f"$m{number - 1}", KEY)
    return event(wire.POLL, event_id=f"$m{number}", sender=BOT, origin_server_ts=number, content=content)


def test_a_number_presses_the_button_of_what_the_bot_said_last() -> None:
    rooms = Rooms()
    ears = reader(rooms)
    with pytest.raises(Unplaced):
        ears.read(event(content=text("2")))
    rooms[TALK].load([said(1), asked(2, "yes", "no")], KEY)
    pressed = ears.read(event(content=text("２")))
    assert isinstance(pressed, ButtonPressed)
    assert (pressed.data, pressed.message_id) == ("no", f"{TALK}/$m1")
    for other in ("3", "0", "一", "2つ"):
        assert isinstance(ears.read(event(content=text(other))), MessageReceived)
    ears.read(said(3))
    assert isinstance(ears.read(event(content=text("2"))), MessageReceived)
    assert ears.read(event(room=GROUP, content=text("2"))) is None


@pytest.mark.parametrize("name", ["org.matrix.msc3381.poll.response", "m.poll.response"])
def test_answers_of_old_and_new_polls_are_understood(name: str) -> None:
    choice = wire.answer_id(TALK, "$q", "yes", KEY)
    for content in ({name: {"answers": [choice]}}, {"m.poll.response": {}, "m.selections": [choice]}):
        read = reader().read(event(name, content=content))
        assert isinstance(read, ButtonPressed)
        assert read.data == "yes"
    assert reader().read(event(name, content={name: {"answers": []}})) is None


def test_a_message_quotes_mentions_and_says_what_it_belongs_to() -> None:
    content = wire.message_content(
        Message(text="はい", quote=f"{TALK}/$e0", mentions=(ALICE,), reference="broadcast:1")
    )
    assert content == {
        "msgtype": "m.text",
        "body": "はい",
        "m.mentions": {"user_ids": [ALICE]},
        "m.relates_to": {"m.in_reply_to": {"event_id": "$e0"}},
        wire.REFERENCE: "broadcast:1",
    }


def test_an_emergency_means_everybody_in_the_room() -> None:
    alarm = Message(text="避難")
    assert wire.message_content(alarm, urgent=True)["m.mentions"] == {"room": True}
    assert wire.message_content(alarm)["m.mentions"] == {}


# ------------------------------------------------------------------ receipts


def test_receipts_of_several_people_for_several_events_are_told_apart() -> None:
    content = {
        "$m1": {"m.read": {ALICE: {"ts": 5}, BOB: {"ts": 6, "thread_id": "main"}, BOT: {"ts": 7}}},
        "$m2": {"m.read": {ALICE: {"ts": 8, "thread_id": "$m1"}, BOB: {}}, "m.read.private": {ALICE: {"ts": 9}}},
        "$m3": "nothing",
    }
    found = [(each[0], each[1], each[2].microsecond) for each in reader().receipts(content)]
    assert found == [("$m1", ALICE, 5_000), ("$m1", BOB, 6_000)]
    assert list(reader().receipts("nothing")) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=30))
def test_every_message_is_reported_read_once_and_none_before_its_time(steps: list[tuple[bool, int]]) -> None:
    room = Room(TALK)
    assert room.report(ALICE, "$m1") is None
    room.load([], KEY)
    count = 0
    reported: list[str] = []
    furthest = 0
    for speaks, position in steps:
        if speaks or not count:
            count += 1
            room.note(said(count), KEY)
            continue
        upto = 1 + position % count
        read = room.report(ALICE, f"$m{upto}")
        assert read == room.report(ALICE, f"$m{upto}"), "The same receipt twice says the same twice."
        assert read is not None
        reported += [each for each in read if each not in reported]
        furthest = max(furthest, upto)
        assert reported == [f"$m{number}" for number in range(1, furthest + 1)]


def test_a_room_in_which_something_was_missed_is_asked_for_again() -> None:
    room = Room(TALK)
    room.load([said(1)], KEY)
    room.note(said(3), KEY)
    assert room.loaded
    room.note(said(2), KEY)
    assert not room.loaded


def test_what_is_said_while_a_room_is_asked_for_is_not_forgotten() -> None:
    room = Room(TALK)
    room.note(said(2), KEY)
    room.load([said(1)], KEY)
    assert room.report(ALICE, "$m2") == ["$m1", "$m2"]


def test_what_is_said_where_the_bot_was_only_invited_waits_until_somebody_has_looked_into_the_room() -> None:
    rooms = Rooms()
    ears = reader(rooms)
    invitation = event(wire.MEMBER, "!new", state_key=BOT, content={"membership": "invite", "is_direct": True})
    assert rooms.note_invitation(invitation, BOT)
    assert rooms.invitations == {"!new": (ALICE, True)}
    with pytest.raises(Unplaced):
        ears.read(event(room="!new"))
    rooms.add_direct(ALICE, "!new")
    heard = ears.read(event(room="!new"), looked_into=True)
    assert isinstance(heard, MessageReceived)
    assert heard.conversation == ALICE
    for other in (event(), {**invitation, "state_key": BOB}, "nothing", None, {"content": {"membership": "invite"}}):
        assert not rooms.note_invitation(other, BOT)


def test_pair_talks_are_kept_in_the_order_in_which_they_are_written_to() -> None:
    rooms = Rooms()
    rooms.learn({ALICE: [TALK, "!old"], BOB: "nonsense"})
    assert (rooms.direct(ALICE), rooms.direct(BOB)) == (TALK, None)
    assert rooms.add_direct(ALICE, "!new", first=True)
    assert not rooms.add_direct(ALICE, "!new")
    rooms.drop_direct("!new")
    rooms.drop_direct("!never heard of")
    assert rooms.directs() == {ALICE: [TALK, "!old"]}
    assert rooms.person(TALK) == ALICE
    assert rooms.person("!new") is None
