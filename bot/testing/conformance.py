"""What every adapter must do, as tests: inherit, say how your platform is played, and run pytest.

    from bot.testing.conformance import AdapterCase, AdapterConformance, SignedBody

    class TestPigeon(AdapterConformance):
        @pytest_asyncio.fixture
        async def case(self) -> AsyncIterator[AdapterCase]:
            async with pigeon_loft() as loft:      # your fake platform, in memory or on a loopback port
                yield AdapterCase(
                    adapter=Pigeon(loft.url, token="t", secret="s"),
                    platform=loft,
                    person="u1",
                    secrets=["t", "s"],
                    signed=[SignedBody(headers={...}, body=b"...", events=2)],
                )

The suite opens and closes the adapter itself. It needs pytest and pytest-asyncio, and no network but loopback.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal, Protocol

import pytest
from multidict import CIMultiDict

from bot.adapter import Adapter, Answers, Delivery, ListsReads, MakesRooms, Outcome, Rejected, Retry, Sent
from bot.errors import MalformedPayload
from bot.events import EVENT, Unknown, Unused
from bot.messages import Address, Button, Message

Behaviour = Literal["well", "busy", "broken", "cut", "silent", "refusing", "gibberish"]
"""How a platform can treat a call: well; busy, naming a time to wait (429); broken (500); cut, closing the connection;
silent, never answering; refusing for good (4xx); gibberish, a success with a body that makes no sense."""


class PlayedPlatform(Protocol):
    """The far side in the hands of the suite."""

    def behave(self, behaviour: Behaviour) -> None:
        """Treat every call from now on like this."""

    def texts(self) -> Sequence[str]:
        """The texts of all messages that people can see now, in their order."""


@dataclass(frozen=True, slots=True)
class SignedBody:
    """A webhook request as the platform would sign it, and how many events it carries."""

    headers: Mapping[str, str]
    body: bytes
    events: int
    unknown: int = 0
    """How many of the events are of a kind that the adapter does not know."""
    covers_body: bool = True
    """Whether the signature depends on the body; a platform that only sends a token along has none that does."""


@dataclass(frozen=True, slots=True)
class AdapterCase:
    """An adapter that is not open yet, and everything needed to try it.

    `signed` stays empty for a platform without webhooks. `failures` are the behaviours that `platform` can play.
    """

    adapter: Adapter
    platform: PlayedPlatform
    person: str
    secrets: Sequence[str] = ()
    signed: Sequence[SignedBody] = ()
    failures: Sequence[Behaviour] = ()
    members: Sequence[str] = field(default=())
    """Three people or more for a room, on a platform where bots make rooms."""

    def delivery(self, text: str = "こんにちは", *, key: str = "conformance-1", buttons: bool = False) -> Delivery:
        choices = (Button(label="はい", data="conformance:yes"),) if buttons else ()
        address = Address(adapter=self.adapter.name, kind="person", id=self.person)
        return Delivery(id=1, key=key, address=address, message=Message(text=text, buttons=choices))


@pytest.mark.asyncio
class AdapterConformance:
    """Inherit as `class TestMyAdapter(AdapterConformance)` and provide the fixture `case`."""

    # ------------------------------------------------------------ in general

    async def test_its_facts_make_sense(self, case: AdapterCase) -> None:
        adapter, facts = case.adapter, case.adapter.capabilities
        assert adapter.name, "Give the adapter a name."
        assert adapter.name == adapter.name.strip(), "Take the spaces away from around the adapter's name."
        assert facts.batch_size >= 1, "batch_size: a call takes at least one delivery."
        assert facts.concurrency >= 1, "concurrency: at least one call is under way."
        assert facts.text_length >= 1, "text_length: a message has at least one character."
        assert facts.buttons >= 0, "buttons: 0 where there are none."
        assert facts.rate is None or facts.rate > 0, "rate: None where no limit is known."
        for name in ("send", "open", "close"):
            assert inspect.iscoroutinefunction(getattr(adapter, name)), f"{name} must be an async def."

    async def test_its_secrets_do_not_show(self, case: AdapterCase) -> None:
        shown = [repr(case.adapter), str(case.adapter)]
        for body in (b"", b"{}", b"\xff"):
            try:
                shown.append(repr(case.adapter.parse(body)))
            except MalformedPayload as error:
                shown.append(str(error))
        _assert_hidden(case, shown)

    # -------------------------------------------------------------- webhooks

    async def test_it_accepts_what_the_platform_signed(self, case: AdapterCase) -> None:
        for request in case.signed:
            assert case.adapter.verify(request.headers, request.body), "A correct signature must be accepted."
            for change in (str.lower, str.upper):
                headers = CIMultiDict({change(name): value for name, value in request.headers.items()})
                assert case.adapter.verify(headers, request.body), "Names of headers ignore case."

    async def test_it_refuses_everything_else(self, case: AdapterCase) -> None:
        for request in case.signed:
            other_bodies = (request.body + b" ", b"") if request.covers_body else ()
            forged = [
                ({}, request.body),
                *((request.headers, body) for body in other_bodies),
                *((dict.fromkeys(request.headers, wrong), request.body) for wrong in ("", "x", "sha256=", "署名")),
                ({name: value[:-1] for name, value in request.headers.items()}, request.body),
            ]
            for headers, body in forged:
                assert not case.adapter.verify(headers, body), f"A forged request was accepted: {headers}."
        assert not case.adapter.verify({}, b"{}"), "A request without a signature must be refused."

    async def test_it_reads_events(self, case: AdapterCase) -> None:
        for request in case.signed:
            events = case.adapter.parse(request.body)
            assert len(events) == request.events, "Every event of a body must come out, the unknown ones as Unknown."
            assert {event.adapter for event in events} <= {case.adapter.name}, "An event carries its adapter's name."
            keys = [event.key for event in events]
            assert len(set(keys)) == len(keys), "The keys of events differ."
            assert all(keys), "Every event has a key."
            again = [event.key for event in case.adapter.parse(request.body)]
            assert keys == again, "The same event must have the same key when it is delivered again."
            unknown = [event for event in events if isinstance(event, Unknown)]
            assert len(unknown) == request.unknown
            kept = [event for event in events if isinstance(event, Unknown | Unused)]
            assert all(event.payload and event.reason for event in kept), (
                "An Unknown or Unused keeps its payload and says why."
            )
            for event in events:
                assert EVENT.validate_json(EVENT.dump_json(event)) == event, (
                    "The log must give an event back unchanged."
                )

    @pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"no document", b"null", b"17", b'{"events": 3}', b"[" * 2_000])
    async def test_a_body_it_cannot_read_is_malformed(self, case: AdapterCase, body: bytes) -> None:
        with pytest.raises(MalformedPayload):
            case.adapter.parse(body)

    async def test_no_event_is_lost_to_an_answer_of_its_own(self, case: AdapterCase) -> None:
        adapter = case.adapter
        if not isinstance(adapter, Answers):
            return
        for request in case.signed:
            reply = adapter.answer("POST", "", request.body)
            if reply is not None and not reply.events:
                assert not adapter.parse(request.body), "A Reply to a request with events must say events=True."
        for body in (b"", b"\xff", b"null", b"[]"):
            with suppress(MalformedPayload):
                adapter.answer("POST", "", body)
                adapter.answer("GET", "/nothing/here", body)

    # --------------------------------------------------------------- sending

    async def test_it_sends(self, case: AdapterCase) -> None:
        [outcome] = await _opened_and_sent(case, case.delivery("お知らせ", buttons=True))
        assert isinstance(outcome, Sent), f"A platform that behaves well must get the message: {outcome}."
        assert outcome.message_id, "Sent carries the platform's id, by which reads and deletions find the message."
        assert any("お知らせ" in text for text in case.platform.texts())

    async def test_the_same_key_is_the_same_message(self, case: AdapterCase) -> None:
        first, second = await _opened_and_sent(case, case.delivery("一度だけ"), case.delivery("一度だけ"))
        assert isinstance(first, Sent)
        if case.adapter.capabilities.idempotent:
            assert first == second, "The second answer under a key must be the first one."
            assert len([text for text in case.platform.texts() if "一度だけ" in text]) == 1

    async def test_it_takes_back(self, case: AdapterCase) -> None:
        sent = case.delivery("まちがい")
        [outcome] = await _opened_and_sent(case, sent)
        assert isinstance(outcome, Sent)
        back = [
            Delivery(2, key, sent.address, sent.message, "delete", outcome.message_id)
            for key in ("conformance-back-1", "conformance-back-2")
        ]
        first, second = await _opened_and_sent(case, *back)
        assert not isinstance(first, Retry), "Taking back succeeds, or is rejected where the platform cannot do it."
        assert type(first) is type(second), "What is taken back already is taken back."

    async def test_failures_are_outcomes_and_never_exceptions(self, case: AdapterCase) -> None:
        reasons = []
        for number, behaviour in enumerate(case.failures):
            case.platform.behave(behaviour)
            [outcome] = await _opened_and_sent(case, case.delivery(key=f"conformance-failure-{number}"))
            match behaviour:
                case "refusing":
                    assert isinstance(outcome, Rejected), f"A refusal is Rejected, not {outcome}."
                case "busy":
                    assert isinstance(outcome, Retry), f"Busy is worth another try, but was {outcome}."
                    assert outcome.after, "A wait that the platform names goes in after."
                case _:
                    assert isinstance(outcome, Retry), f"{behaviour}: worth another try, but was {outcome}."
            assert isinstance(outcome, Retry | Rejected)
            assert outcome.reason, "A reason is what people see among the failed deliveries."
            reasons.append(repr(outcome))
        _assert_hidden(case, reasons)

    async def test_it_can_be_opened_again(self, case: AdapterCase) -> None:
        for number in range(2):
            [outcome] = await _opened_and_sent(case, case.delivery(key=f"conformance-open-{number}"))
            assert isinstance(outcome, Sent)

    # ------------------------------------------------------ what some can do

    async def test_rooms_are_made_once_and_changed(self, case: AdapterCase) -> None:
        adapter = case.adapter
        if not isinstance(adapter, MakesRooms):
            return
        one, two, *others = case.members
        await adapter.open()
        try:
            room = await adapter.create_room("訓練", [one, two], key="conformance-room")
            assert await adapter.create_room("訓練", [one, two], key="conformance-room") == room, "One key, one room."
            await adapter.add_to_room(room, others)
            await adapter.add_to_room(room, others)
            assert sorted(await adapter.room_members(room)) == sorted(case.members)
            await adapter.remove_from_room(room, [one])
            await adapter.remove_from_room(room, [one])
            assert sorted(await adapter.room_members(room)) == sorted([two, *others])
        finally:
            await adapter.close()

    async def test_nobody_has_read_what_was_just_sent(self, case: AdapterCase) -> None:
        adapter = case.adapter
        if not isinstance(adapter, ListsReads):
            return
        await adapter.open()
        try:
            [outcome] = await adapter.send([case.delivery()])
            assert isinstance(outcome, Sent)
            assert outcome.message_id is not None
            assert list(await adapter.readers(outcome.message_id)) == []
        finally:
            await adapter.close()


async def _opened_and_sent(case: AdapterCase, *deliveries: Delivery) -> list[Outcome]:
    """Send one after the other between an `open` and a `close`."""
    await case.adapter.open()
    try:
        outcomes: list[Outcome] = []
        for delivery in deliveries:
            answers = await case.adapter.send([delivery])
            assert len(answers) == 1, "send returns one outcome for each delivery."
            outcomes += answers
        return outcomes
    finally:
        await case.adapter.close()


def _assert_hidden(case: AdapterCase, shown: Sequence[str]) -> None:
    for secret in case.secrets:
        assert not any(secret in text for text in shown), "A secret stands in a text that is logged or shown."
