"""The worked example keeps the contract, and Slack's rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import orjson
import pytest

from bot import Bot
from bot.adapter import Delivery, Outcome, Rejected, Retry, Sent
from bot.clock import ManualClock
from bot.errors import MalformedPayload
from bot.events import ButtonPressed, MemberJoined, MemberLeft, MessageReceived, MessageUnsent, Unknown, Unused
from bot.messages import Address, Button, Message
from bot.serving import serving
from bot.testing.conformance import AdapterCase, AdapterConformance, SignedBody
from examples.ping import router
from examples.slack_adapter import Slack
from tests.examples import fake_slack
from tests.examples.fake_slack import BOT, SECRET, TOKEN, callback, pressed, running_slack, signed

START = datetime(2023, 7, 3, tzinfo=UTC)


def adapter(platform: fake_slack.Slack | None = None, timeout: float = 5.0, token: str = TOKEN) -> Slack:
    api = "http://127.0.0.1:9/api" if platform is None else platform.api
    return Slack(token, SECRET, ManualClock(START), api=api, timeout=timeout)


class TestSlack(AdapterConformance):
    @pytest.fixture
    async def case(self) -> AsyncIterator[AdapterCase]:
        async with running_slack() as slack:
            bodies = [
                (callback("message", text="／ping"), 1, 0),
                (callback("emoji_changed", channel="C1", channel_type=None), 1, 1),
                (pressed("a:1", "a:2"), 2, 0),
                (b'{"type":"url_verification","challenge":"abc"}', 0, 0),
                (b'{"type":"app_rate_limited","team_id":"T1"}', 1, 1),
            ]
            yield AdapterCase(
                adapter=adapter(slack, timeout=0.3),
                platform=slack,
                person="U1",
                secrets=[TOKEN, SECRET],
                signed=[SignedBody(signed(body, START), body, events, unknown) for body, events, unknown in bodies],
                failures=["busy", "broken", "cut", "silent", "refusing", "gibberish"],
            )


# ------------------------------------------------------------------ incoming


def test_the_signature_of_slacks_own_documentation_is_accepted() -> None:
    # From "Verifying requests from Slack".
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    headers = {
        "X-Slack-Request-Timestamp": "1531420618",
        "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }
    sent = datetime.fromtimestamp(1531420618, UTC)
    assert Slack(TOKEN, SECRET, ManualClock(sent)).verify(headers, body)
    assert not Slack(TOKEN, "another", ManualClock(sent)).verify(headers, body)


@pytest.mark.parametrize(
    ("minutes", "accepted"), [(0, True), (4.9, True), (-4.9, True), (5.1, False), (-5.1, False), (60 * 24, False)]
)
def test_a_request_is_good_for_five_minutes(minutes: float, accepted: bool) -> None:
    headers = signed(b"{}", START - timedelta(minutes=minutes))
    assert adapter().verify(headers, b"{}") is accepted


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1e9", "١٦٨٨٣٤٢٤٠٠", "9" * 40])
def test_a_timestamp_that_is_none_is_refused(timestamp: str) -> None:
    headers = signed(b"{}", START) | {"X-Slack-Request-Timestamp": timestamp}
    assert not adapter().verify(headers, b"{}")


def test_a_message_in_pair_talk_carries_what_was_meant() -> None:
    [event] = adapter().parse(callback("message", text="／一斉 A &lt; B &amp; C", files=[{}, {}], subtype="file_share"))
    assert event == MessageReceived(
        adapter="slack",
        key="Ev1",
        conversation="U1",
        direct=True,
        occurred_at=START,
        sender="U1",
        message_id="D1:1688342400.000200",
        text="／一斉 A < B & C",
        files=2,
    )


def test_a_mention_in_a_channel_is_for_the_bot_and_its_name_is_taken_out() -> None:
    body = callback("app_mention", channel="C1", channel_type=None, text=f"<@{BOT}> /ping <@U2>")
    [event] = adapter().parse(body)
    assert isinstance(event, MessageReceived)
    assert (event.text, event.conversation, event.direct) == ("/ping <@U2>", "C1", False)


@pytest.mark.parametrize(
    "body",
    [
        callback("message", text="talk among people", channel="C1", channel_type="channel"),
        callback("message", text="our own", user=BOT),
        callback("message", text="another bot's", bot_id="B2"),
        callback("member_joined_channel", user=BOT, channel="C1", channel_type="C"),
        callback("message", subtype="message_deleted", user=None, previous_message={"user": BOT, "bot_id": "B1"}),
    ],
)
def test_what_is_not_for_the_bot_is_passed_over(body: bytes) -> None:
    assert adapter().parse(body) == []


def test_coming_going_and_taking_back_are_told() -> None:
    slack = adapter()
    [joined] = slack.parse(callback("member_joined_channel", channel="C1", channel_type="C"))
    assert isinstance(joined, MemberJoined)
    assert (joined.member, joined.conversation) == ("U1", "C1")
    [left] = slack.parse(callback("member_left_channel", channel="C1", channel_type="C"))
    assert isinstance(left, MemberLeft)
    before = {"user": "U1", "ts": "1688342399.000100"}
    [unsent] = slack.parse(
        callback("message", subtype="message_deleted", user=None, previous_message=before, deleted_ts=before["ts"])
    )
    assert isinstance(unsent, MessageUnsent)
    assert (unsent.message_id, unsent.conversation) == ("D1:1688342399.000100", "U1")


def test_a_pressed_button_brings_its_data_and_two_presses_are_two_events() -> None:
    first, second = adapter().parse(pressed("broadcast:1:送信", "x:2", channel="C1"))
    assert isinstance(first, ButtonPressed)
    assert (first.data, first.sender, first.conversation) == ("broadcast:1:送信", "U1", "C1")
    assert first.message_id == "C1:1688342400.000200"
    assert first.key != second.key
    assert adapter().parse(pressed("x:1"))[0].direct


@pytest.mark.parametrize(
    "body",
    [
        callback("message", event_ts="1", ts=None),
        callback("message", subtype="message_waved"),
        pressed("x:1").replace(b"1688342500.000000", b"-9223372036854775809"),
        b'{"type":"event_callback","event":7}',
        b'{"type":"event_callback","event":{"type":"message","previous_message":"x"}}',
        b'{"type":"block_actions","actions":[{}]}',
    ],
)
def test_what_it_cannot_read_is_kept(body: bytes) -> None:
    [event] = adapter().parse(body)
    assert isinstance(event, Unknown)
    assert event.key


def test_an_edited_message_is_known_and_not_for_us() -> None:
    [event] = adapter().parse(callback("message", subtype="message_changed"))
    assert isinstance(event, Unused)
    assert event.reason


@pytest.mark.parametrize(
    "body",
    [
        b"payload=",
        b"payload=%7B",
        b"command=%2Fping",
        b"[]",
        b'{"type_":1}',
        b"\xff",
        callback("message", text="half a letter: X").replace(b"X", rb"\ud83d"),
    ],
)
def test_what_is_no_envelope_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedPayload):
        adapter().parse(body)


# ------------------------------------------------------------------ outgoing


async def sent(slack: Slack, *deliveries: Delivery) -> list[Outcome]:
    await slack.open()
    try:
        return list(await slack.send(deliveries))
    finally:
        await slack.close()


def delivery(message: Message, to: str = "U1", message_id: str | None = None) -> Delivery:
    address = Address(adapter="slack", kind="person" if to.startswith("U") else "room", id=to)
    return Delivery(1, "k1", address, message, "delete" if message_id else "send", message_id)


async def test_a_text_arrives_as_it_was_written() -> None:
    async with running_slack() as platform:
        message = Message(text="A < B & *C* <!channel>", mentions=("U2",), quote="D1:1688342400.000200")
        assert await sent(adapter(platform), delivery(message)) == [Sent("D1:1688300001.000100")]
        assert platform.posts["D1", "1688300001.000100"] == {
            "channel": "U1",
            "text": "<@U2> A &lt; B &amp; *C* &lt;!channel&gt;",
            "mrkdwn": False,
            "thread_ts": "1688342400.000200",
            "reply_broadcast": True,
        }


async def test_the_longest_message_with_the_most_buttons_keeps_slacks_limits() -> None:
    async with running_slack() as platform:
        slack = adapter(platform)
        facts = slack.capabilities
        buttons = tuple(Button(label="あ" * 40, data="x" * 300) for _ in range(facts.buttons))
        message = Message(text="&" * facts.text_length, buttons=buttons, mentions=("U2",))
        assert [type(outcome) for outcome in await sent(slack, delivery(message))] == [Sent]
        [post] = platform.posts.values()
        *sections, actions = post["blocks"]
        assert [len(section["text"]["text"]) for section in sections] == [len("<@U2>"), 3_000, 3_000, 1_500]
        assert [element["value"] for element in actions["elements"]] == ["x" * 300] * 25


async def test_a_try_whose_answer_was_lost_is_told_to_the_next_which_tells_the_reader() -> None:
    async with running_slack() as platform:
        slack = adapter(platform, timeout=0.3)
        for behaviour in ("broken", "cut", "silent", "gibberish"):
            platform.behave(behaviour)
            [outcome] = await sent(slack, delivery(Message(text="a")))
            assert isinstance(outcome, Retry)
            assert outcome.uncertain, behaviour
        platform.behave("well")
        again = replace(delivery(Message(text="a")), attempt=2, uncertain=True)
        await sent(slack, again)
        assert platform.texts()[-1:] == ["（もう一度お送りします）\na"]
    [outcome] = await sent(slack, delivery(Message(text="a")))
    assert outcome == Retry("Slack: ClientConnectorError", uncertain=False)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("internal_error", Retry),
        ("ratelimited", Retry),
        ("token_revoked", Retry),
        ("is_archived", Rejected),
        ("not_in_channel", Rejected),
        ("an_error_of_tomorrow", Rejected),
    ],
)
async def test_an_error_is_an_outcome_with_slacks_own_word_in_it(error: str, kind: type[Outcome]) -> None:
    async with running_slack() as platform:
        platform.errors = [error]
        [outcome] = await sent(adapter(platform), delivery(Message(text="a")))
        assert isinstance(outcome, kind)
        assert error in repr(outcome)


async def test_a_wrong_token_is_worth_another_try_and_is_not_shown() -> None:
    async with running_slack() as platform:
        [outcome] = await sent(adapter(platform, token="xoxb-wrong"), delivery(Message(text="a")))
        assert outcome == Retry("Slack: invalid_auth")


async def test_the_wait_that_slack_names_is_kept() -> None:
    async with running_slack() as platform:
        platform.behave("busy")
        [outcome] = await sent(adapter(platform), delivery(Message(text="a")))
        assert outcome == Retry("Slack is busy.", after=timedelta(seconds=30))


async def test_a_message_is_taken_back_in_the_channel_that_slack_named() -> None:
    async with running_slack() as platform:
        slack = adapter(platform)
        [there] = await sent(slack, delivery(Message(text="a")))
        assert isinstance(there, Sent)
        back = delivery(Message(text="a"), message_id=there.message_id)
        assert [type(outcome) for outcome in await sent(slack, back, back)] == [Sent, Sent]
        assert platform.posts == {}


# ------------------------------------------------------------------ together


async def test_the_ten_line_bot_answers_on_slack(tmp_path: Path) -> None:
    async with running_slack() as platform:
        bot = Bot(router, [adapter(platform)], storage=tmp_path, clock=ManualClock(START))
        async with (
            bot,
            serving(bot.web_server(), "127.0.0.1", 0) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
        ):
            challenge = b'{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV"}'
            async with client.post("/webhooks/slack", data=challenge, headers=signed(challenge, START)) as response:
                assert orjson.loads(await response.read()) == {"challenge": "3eZbrw1aBm2rZgRNFdxV"}
            for body in (callback("message", text="／ping"),) * 2:  # Slack sends again what it thinks is lost
                async with client.post("/webhooks/slack", data=body, headers=signed(body, START)) as response:
                    assert (response.status, await response.read()) == (200, b"")
            talk = callback("message", number=2, text="what is url_verification?")
            for body in (talk, b"url_verification, but no JSON"):
                async with client.post("/webhooks/slack", data=body, headers=signed(body, START)) as response:
                    assert (response.status, await response.read()) == (200, b"")
            await bot.idle()
            assert platform.texts() == ["pong"]
