"""The access token: fetched once for all, renewed in time, and no secret in any text."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bot.adapter import Retry, Sent
from bot.adapters.lineworks import LineWorks
from bot.clock import ManualClock
from bot.errors import ConfigurationError, KairanbanError
from bot.testing.fakes import FakeLineWorks
from bot.testing.fakes.lineworks import Fault
from tests.bot.lineworks.support import IMPATIENT, START, delivery, running, send


def asked_for_tokens(works: FakeLineWorks) -> int:
    return sum(1 for operation, _ in works.answered if operation == "token")


async def test_one_token_serves_many_calls() -> None:
    async with running() as (works, bot):
        outcomes = await asyncio.gather(*(bot.send([delivery(key=f"k{number}")]) for number in range(20)))
        assert all(isinstance(outcome, Sent) for [outcome] in outcomes)
        assert asked_for_tokens(works) == 1


async def test_it_is_renewed_before_it_ends() -> None:
    clock = ManualClock(START)
    async with running(clock, token_life=timedelta(hours=1)) as (works, bot):
        await send(bot, delivery())
        clock.advance(timedelta(minutes=54))
        await send(bot, delivery())
        assert asked_for_tokens(works) == 1
        clock.advance(timedelta(minutes=2))
        await send(bot, delivery())
        assert asked_for_tokens(works) == 2
        assert works.count(401) == 0


async def test_a_token_of_a_short_life_is_used_for_half_of_it() -> None:
    clock = ManualClock(START)
    async with running(clock, token_life=timedelta(minutes=4)) as (works, bot):
        await send(bot, delivery())
        clock.advance(timedelta(seconds=119))
        await send(bot, delivery())
        assert asked_for_tokens(works) == 1
        clock.advance(timedelta(seconds=2))
        await send(bot, delivery())
        assert asked_for_tokens(works) == 2


async def test_many_calls_whose_token_is_refused_fetch_one_new_one() -> None:
    async with running() as (works, bot):
        await send(bot, delivery())
        works.revoke()
        outcomes = await asyncio.gather(*(bot.send([delivery(key=f"k{number}")]) for number in range(20)))
        assert all(isinstance(outcome, Sent) for [outcome] in outcomes)
        assert asked_for_tokens(works) == 2
        assert len(works.messages) == 21


async def test_a_token_that_is_refused_again_and_again_is_worth_another_try() -> None:
    async with running() as (works, bot):
        works.token_life = timedelta(0)  # what it gives out has ended already
        outcome = await send(bot, delivery())
        assert isinstance(outcome, Retry)
        assert "gave no token" in outcome.reason
        works.token_life = timedelta(hours=1)
        works.clock.advance(timedelta(seconds=11))  # type: ignore[attr-defined]  # the clock of this test is a manual one
        assert isinstance(await send(bot, delivery()), Sent)


async def test_without_a_token_nothing_was_sent_and_the_next_try_says_nothing_of_it() -> None:
    async with running() as (works, bot):
        works.token_fault = "broken"
        outcome = await send(bot, delivery())
        assert isinstance(outcome, Retry)
        assert not outcome.uncertain
        assert works.messages == []


async def test_a_refusal_is_not_asked_for_again_with_every_message() -> None:
    clock = ManualClock(START)
    async with running(clock) as (works, bot):
        works.token_fault = "broken"
        for _ in range(5):
            await send(bot, delivery())
        assert asked_for_tokens(works) == 1
        works.token_fault = "well"
        clock.advance(timedelta(seconds=11))
        assert isinstance(await send(bot, delivery()), Sent)


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"client_secret": "mistyped"}, "invalid_client. Check client_id and client_secret"),
        ({"service_account": "else.serviceaccount@fake"}, "invalid_grant. Check service_account"),
    ],
)
async def test_a_wrong_account_says_what_to_mend(wrong: dict[str, str], advice: str) -> None:
    async with FakeLineWorks(ManualClock(START)) as works:
        mistaken = replace(works.account, **wrong)
        bot = LineWorks(
            works.bot_id, works.bot_secret, mistaken, clock=works.clock, api=works.api, token_url=works.token_url
        )
        await bot.open()
        outcome = await send(bot, delivery())
        await bot.close()
        assert isinstance(outcome, Retry), "The settings can be mended while it waits."
        assert advice in outcome.reason


@pytest.mark.parametrize("fault", ["cut", "silent"])
async def test_a_token_endpoint_that_fails_is_an_outcome(fault: Fault) -> None:
    async with running(timeout=IMPATIENT) as (works, bot):
        works.token_fault = fault
        outcome = await send(bot, delivery())
        assert isinstance(outcome, Retry)
        assert not outcome.uncertain


async def test_a_caller_that_gives_up_leaves_the_token_to_the_others() -> None:
    async with running() as (works, bot):
        impatient = asyncio.create_task(bot.send([delivery(key="k1")]))
        patient = asyncio.create_task(bot.send([delivery(key="k2")]))
        while asked_for_tokens(works) == 0:
            impatient.cancel()
            await asyncio.sleep(0)
        [outcome] = await patient
        assert isinstance(outcome, Sent)
        assert [message.text for message in works.messages] == ["訓練です"]


async def test_no_secret_shows_in_reprs_outcomes_or_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(timeout=IMPATIENT) as (works, bot):
        await send(bot, delivery())
        shown = [repr(bot), str(bot), repr(works.account)]
        faults: tuple[Fault, ...] = ("broken", "cut", "silent", "refusing", "busy")
        for fault in faults:
            works.behave(fault)
            shown.append(repr(await send(bot, delivery())))
        works.revoke()
        works.token_fault = "gibberish"
        shown.append(repr(await send(bot, delivery())))
        secrets = [works.bot_secret, works.account.client_secret, "PRIVATE KEY", "token-"]
        for text in (*shown, caplog.text):
            assert not any(secret in text for secret in secrets), text


@pytest.mark.parametrize("what", ["client_id", "client_secret", "service_account"])
async def test_what_was_copied_badly_is_refused_at_start_up(what: str) -> None:
    account = FakeLineWorks(ManualClock(START)).account
    with pytest.raises(ConfigurationError, match=f"The {what} of lineworks must be copied"):
        LineWorks("2000001", "secret", replace(account, **{what: " "}))


async def test_a_private_key_that_is_none_is_refused_at_start_up_without_showing_it() -> None:
    account = FakeLineWorks(ManualClock(START)).account
    elliptic = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for wrong in ("not a key at all", account.private_key[:-200], elliptic.decode()):
        with pytest.raises(ConfigurationError) as caught:
            LineWorks("2000001", "secret", replace(account, private_key=wrong))
        assert "the whole file" in str(caught.value)
        assert wrong[:20] not in str(caught.value).replace("-----BEGIN PRIVATE KEY-----", "")


@pytest.mark.parametrize(("bot_id", "secret", "rate"), [("my bot", "s", 240), ("1", "two words", 240), ("1", "s", 0)])
async def test_settings_that_make_no_sense_are_refused(bot_id: str, secret: str, rate: int) -> None:
    account = FakeLineWorks(ManualClock(START)).account
    with pytest.raises(ConfigurationError, match="lineworks"):
        LineWorks(bot_id, secret, account, requests_per_minute=rate)


async def test_it_says_so_when_it_is_not_open() -> None:
    async with running() as (_, bot):
        await bot.close()
        with pytest.raises(KairanbanError, match="not open"):
            await bot.send([delivery()])
