"""The LoGoChat adapter: what comes in is checked and translated, what goes out is told apart by its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from bot.adapter import Delivery, ListsReads, MakesRooms, Outcome, Rejected, Retry, Sent
from bot.adapters.logochat import LogoChat, ServiceProblem
from bot.adapters.logochat_answers import ANSWER_LIMIT
from bot.adapters.logochat_wire import IDEMPOTENCY_HEADER, ROOM_SIZE, SIGNATURE_HEADER, signature
from bot.clock import ManualClock
from bot.errors import ConfigurationError, KairanbanError, MalformedPayload
from bot.events import (
    ButtonPressed,
    MemberJoined,
    MemberLeft,
    MessageRead,
    MessageReceived,
    MessageUnsent,
    Unknown,
)
from bot.messages import Address, Button, Message
from tests.bot.fake_logochat import SECRET, SENT_AT, TOKEN, Service, problem, running_service

START = datetime(2023, 7, 3, 0, 0, tzinfo=UTC)
PERSON = Address(adapter="logochat", kind="person", id="u1")
ROOM = Address(adapter="logochat", kind="room", id="r1")


def offline() -> LogoChat:
    return LogoChat("http://127.0.0.1:1/", TOKEN, SECRET, clock=ManualClock(START))


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_service() as service:
        yield service


@pytest.fixture
async def adapter(service: Service) -> AsyncIterator[LogoChat]:
    adapter = LogoChat(service.url, TOKEN, SECRET, clock=ManualClock(START), timeout=timedelta(milliseconds=300))
    await adapter.open()
    yield adapter
    await adapter.close()


def wire_event(type: str, **values: object) -> dict[str, object]:
    return {
        "event_id": "e1",
        "occurred_at": "2023-07-03T09:00:00+09:00",
        "room_id": "r1",
        "user_id": "u1",
        "type": type,
        **values,
    }


def body(*events: object) -> bytes:
    return orjson.dumps({"bot_id": "b1", "events": events})


def delivery(address: Address = PERSON, message: Message | None = None, key: str = "k1") -> Delivery:
    return Delivery(1, key, address, message or Message(text="お知らせ"))


async def sent(adapter: LogoChat, what: Delivery | None = None) -> Outcome:
    [outcome] = await adapter.send([what or delivery()])
    return outcome


def answering(
    status: int, text: str = "", headers: dict[str, str] | None = None
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return answer


def declining(status: int) -> Callable[[web.Request], Awaitable[web.Response]]:
    """In the service's own words."""

    async def answer(request: web.Request) -> web.Response:
        return problem(status, "It cannot be done.")

    return answer


# ------------------------------------------------------------------ incoming


def test_a_signature_holds_for_exactly_these_bytes() -> None:
    raw = body()
    good = signature(SECRET, raw)
    assert offline().verify({SIGNATURE_HEADER: good}, raw)
    assert offline().verify({SIGNATURE_HEADER.lower(): good}, raw)
    assert not offline().verify({SIGNATURE_HEADER: good}, raw + b"\n")
    assert not offline().verify({SIGNATURE_HEADER: signature("another", raw)}, raw)
    assert not offline().verify({SIGNATURE_HEADER: good.removeprefix("sha256=")}, raw)
    assert not offline().verify({}, raw)


@given(st.binary(max_size=200), st.text(max_size=80))
def test_no_made_up_signature_is_accepted(raw: bytes, made_up: str) -> None:
    assert not offline().verify({SIGNATURE_HEADER: made_up}, raw)


def test_every_kind_of_event_is_translated() -> None:
    place = {"latitude": 34.4, "longitude": 135.3, "label": "庁舎"}
    events = offline().parse(
        body(
            wire_event("message", message_id="m1", text="やあ", location=place, files=2),
            wire_event("button", message_id="m1", data="poll:1"),
            wire_event("read", message_id="m1"),
            wire_event("joined"),
            wire_event("left"),
            wire_event("deleted", message_id="m1"),
        )
    )
    kinds = [MessageReceived, ButtonPressed, MessageRead, MemberJoined, MemberLeft, MessageUnsent]
    assert [type(event) for event in events] == kinds
    message = events[0]
    assert isinstance(message, MessageReceived)
    assert message.location is not None
    assert (message.sender, message.conversation, message.files, message.location.label) == ("u1", "r1", 2, "庁舎")
    assert message.occurred_at == START
    assert {event.key for event in events} == {"e1"}


def test_pair_talk_is_a_conversation_with_the_person() -> None:
    [event] = offline().parse(body(wire_event("message", message_id="m1", direct=True)))
    assert (event.conversation, event.direct) == ("u1", True)


def test_an_unknown_event_is_kept_and_the_others_stand() -> None:
    strange = wire_event("waved", hand="left") | {"event_id": "e2"}
    nameless = {"type": "read", "message_id": "m1", "occurred_at": "yesterday"}
    read, waved, broken, number = offline().parse(body(wire_event("read", message_id="m1"), strange, nameless, 17))
    assert isinstance(read, MessageRead)
    assert isinstance(waved, Unknown)
    assert isinstance(broken, Unknown)
    assert isinstance(number, Unknown)
    assert (waved.key, orjson.loads(waved.payload), waved.occurred_at) == ("e2", strange, START)
    assert "waved" in waved.reason
    assert broken.key.startswith("sha256:")
    assert "event_id" in broken.reason
    assert broken.occurred_at == START
    assert number.payload == "17"
    assert [event.key for event in offline().parse(body(nameless))] == [broken.key]


def test_a_moment_without_a_zone_is_not_believed() -> None:
    [event] = offline().parse(body(wire_event("waved") | {"occurred_at": "2020-01-01T00:00:00"}))
    assert event.occurred_at == START


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"events": {}}', b"\xff"])
def test_a_body_that_is_no_callback_is_malformed(raw: bytes) -> None:
    with pytest.raises(MalformedPayload):
        offline().parse(raw)


# ------------------------------------------------------------------ outgoing


async def test_a_message_goes_out_whole(adapter: LogoChat, service: Service) -> None:
    message = Message(
        text="訓練", buttons=(Button(label="はい", data="a:1"),), mentions=("u2",), quote="m0", reference="broadcast:1"
    )
    assert await sent(adapter, delivery(ROOM, message, "broadcast:1:r1")) == Sent("m1")
    [(method, path, headers, raw)] = service.requests
    assert (method, path) == ("POST", "/bot/v1/messages")
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers[IDEMPOTENCY_HEADER] == "broadcast:1:r1"
    assert orjson.loads(raw) == {
        "room_id": "r1",
        "text": "訓練",
        "buttons": [{"label": "はい", "data": "a:1"}],
        "mentions": ["u2"],
        "quote": "m0",
        "reference": "broadcast:1",
    }


async def test_a_person_is_addressed_by_user_id(adapter: LogoChat, service: Service) -> None:
    await sent(adapter)
    assert orjson.loads(service.requests[0][3]) == {"user_id": "u1", "text": "お知らせ"}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("1.5", 1.5),
        ("0", 1),
        ("-3", 1),
        ("Mon, 03 Jul 2023 00:02:00 GMT", 120),
        ("Mon, 03 Jul 2023 00:02:00", 120),
        ("999999999999", 3600),
        ("1e400", 3600),
    ],
)
async def test_busy_is_a_snooze_for_the_time_named(
    adapter: LogoChat, service: Service, value: str, seconds: float
) -> None:
    service.answer = answering(429, headers={"Retry-After": value})
    outcome = await sent(adapter)
    assert isinstance(outcome, Retry)
    assert outcome.after == timedelta(seconds=seconds)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "soon"}, {"Retry-After": "nan"}])
async def test_busy_without_a_time_is_a_plain_retry(
    adapter: LogoChat, service: Service, headers: dict[str, str]
) -> None:
    service.answer = answering(429, headers=headers)
    assert await sent(adapter) == Retry("The service answered 429.")


@pytest.mark.parametrize("status", [401, 408, 409, 425, 500, 502, 503])
async def test_what_may_pass_is_tried_again(adapter: LogoChat, service: Service, status: int) -> None:
    service.answer = answering(status)
    perhaps = status in {408, 409, 500, 502}  # the service may have acted before it gave up
    assert await sent(adapter) == Retry(f"The service answered {status}.", uncertain=perhaps)


async def test_a_refusal_says_what_to_mend(adapter: LogoChat, service: Service) -> None:
    async def answer(request: web.Request) -> web.Response:
        return problem(422, "This key was used with another body.")

    service.answer = answer
    assert await sent(adapter) == Rejected("The service answered 422: This key was used with another body.")


async def test_a_redirection_is_not_followed_with_the_token(adapter: LogoChat, service: Service) -> None:
    service.answer = answering(307, headers={"Location": service.url + "/elsewhere"})
    assert await sent(adapter) == Retry("The service answered 307.")
    assert len(service.requests) == 1


async def test_a_network_that_fails_is_a_retry_without_addresses_in_it(adapter: LogoChat, service: Service) -> None:
    service.behave("cut")
    cut = await sent(adapter)
    service.behave("silent")
    silent = await sent(adapter)
    assert isinstance(cut, Retry)
    assert "ServerDisconnected" in cut.reason
    assert cut.uncertain
    assert silent == Retry("The service did not answer in time.", uncertain=True)
    nobody = offline()
    await nobody.open()
    refused = await sent(nobody)
    await nobody.close()
    assert isinstance(refused, Retry)
    assert not refused.uncertain
    assert "127.0.0.1" not in refused.reason


async def test_an_answer_without_end_is_cut_off(adapter: LogoChat, service: Service) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=201)
        await response.prepare(request)
        try:
            for _ in range(ANSWER_LIMIT // 50_000 + 5):
                await response.write(b" " * 50_000)
        except ConnectionError:
            pass
        return response

    service.answer = answer
    outcome = await sent(adapter)
    assert isinstance(outcome, Retry)


async def test_a_short_answer_in_pieces_is_read(adapter: LogoChat, service: Service) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=201)
        await response.prepare(request)
        await response.write(b'{"message_id":')
        await response.write(b'"m9"}')
        return response

    service.answer = answer
    assert await sent(adapter) == Sent("m9")


@pytest.mark.parametrize(
    ("status", "gone"), [(404, True), (410, True), (403, True), (400, False), (413, False), (422, False)]
)
async def test_it_is_the_address_where_nobody_is_there_or_they_will_not_have_us(
    service: Service, adapter: LogoChat, status: int, gone: bool
) -> None:
    service.answer = declining(status)
    outcome = await sent(adapter)
    assert isinstance(outcome, Rejected)
    assert outcome.gone == gone


@pytest.mark.parametrize("status", [204, 404, 410])
async def test_what_is_gone_is_taken_back(adapter: LogoChat, service: Service, status: int) -> None:
    service.answer = answering(204) if status == 204 else declining(status)
    assert await sent(adapter, Delivery(1, "k", PERSON, Message(text="x"), "delete", "m1")) == Sent()
    assert service.requests[0][:2] == ("DELETE", "/bot/v1/messages/m1")


async def test_taking_back_needs_an_id_and_can_fail(adapter: LogoChat, service: Service) -> None:
    assert isinstance(await sent(adapter, Delivery(1, "k", PERSON, Message(text="x"), "delete")), Rejected)
    service.behave("broken")
    assert isinstance(await sent(adapter, Delivery(1, "k", PERSON, Message(text="x"), "delete", "m/1?")), Retry)
    assert service.requests[0][1] == "/bot/v1/messages/m/1?"
    assert len(service.requests) == 1


async def test_sending_before_opening_says_so() -> None:
    with pytest.raises(KairanbanError, match="not open"):
        await offline().send([delivery()])


# ---------------------------------------------------- rooms, reads, people


async def test_rooms_and_reads(adapter: LogoChat, service: Service) -> None:
    assert isinstance(adapter, MakesRooms)
    assert isinstance(adapter, ListsReads)
    room = await adapter.create_room("全職員 1", ["u1"], key="room:1")
    everybody = [f"u{number}" for number in range(ROOM_SIZE + 5)]
    await adapter.add_to_room(room, everybody)
    assert len(await adapter.room_members(room)) == ROOM_SIZE + 5
    assert len([request for request in service.requests if request[1].endswith("/members")]) == 2
    await adapter.remove_from_room(room, everybody[1:])
    assert await adapter.room_members(room) == ["u0"]
    await adapter.add_to_room(room, [])
    await sent(adapter)
    assert await adapter.readers("m1") == []


async def test_who_joins_a_room_later_does_not_see_its_old_notices(adapter: LogoChat, service: Service) -> None:
    await adapter.create_room("全職員 1", ["u1"], key="room:1")
    body = orjson.loads(service.requests[-1][3])
    assert body == {"title": "全職員 1", "members": ["u1"], "history": "hidden"}


async def test_everybody_is_listed_page_by_page(adapter: LogoChat, service: Service) -> None:
    service.users = [{"user_id": f"u{n}", "login": f"{n:05}", "name": f"職員{n}"} for n in range(7)]
    assert [user.login async for user in adapter.users(page=3)] == [f"{n:05}" for n in range(7)]
    assert len(service.requests) == 3
    assert await adapter.people() == {f"{n:05}": f"u{n}" for n in range(7)}


async def test_a_service_that_repeats_a_page_does_not_hold_us_for_ever(adapter: LogoChat, service: Service) -> None:
    service.answer = answering(200, '{"users": [], "next_cursor": "same"}')
    assert [user async for user in adapter.users()] == []
    assert len(service.requests) == 2


async def test_a_declined_call_is_a_problem_with_its_status(adapter: LogoChat, service: Service) -> None:
    with pytest.raises(ServiceProblem, match="There is no such thing") as caught:
        await adapter.room_members("nowhere/at all")
    assert caught.value.status == 404
    service.behave("gibberish")
    with pytest.raises(ServiceProblem, match="RoomAnswer"):
        await adapter.room_members("r1")
    service.behave("cut")
    with pytest.raises(ServiceProblem) as caught:
        await adapter.room_members("r1")
    assert caught.value.status is None


# ------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    "url",
    ["", "chat.example.jp", "ftp://chat.example.jp", "https://user:word@chat.example.jp", "https://x/?a=1", "http://["],
)
def test_an_address_that_cannot_be_right_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="https://chat"):
        LogoChat(url, TOKEN, SECRET)


@pytest.mark.parametrize(("token", "secret"), [("", "s"), ("t", ""), ("t\n", "s"), ("t", "ひみつ")])
def test_a_token_or_secret_that_cannot_be_right_is_refused(token: str, secret: str) -> None:
    with pytest.raises(ConfigurationError, match="the text that the service gave out"):
        LogoChat("https://chat.example.jp", token, secret)


def test_secrets_do_not_show() -> None:
    shown = repr(offline()) + str(vars(offline()).get("name"))
    assert TOKEN not in shown
    assert SECRET not in shown
    assert SENT_AT not in shown
