"""Whom Synapse will not have us write to, and whom it will though it looks otherwise: each told apart on a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from bot.adapter import Delivery, Outcome, Rejected, Sent
from bot.adapters.matrix import Matrix
from bot.events import MemberLeft
from bot.messages import Address, Message
from bot.testing.synapse import Synapse
from tests.bot.matrix.support import Account, Person, person, running
from tests.bot.matrix.test_matrix import Ear

Staff = Callable[[], Awaitable[Person]]


@pytest.fixture
async def matrix(synapse: Synapse, account: Account) -> AsyncIterator[Matrix]:
    matrix = account.adapter(synapse.url)
    await matrix.open()
    yield matrix
    await matrix.close()


async def send(matrix: Matrix, person: str, key: str = "k") -> Outcome:
    address = Address(adapter="matrix", kind="person", id=person)
    [outcome] = await matrix.send([Delivery(1, f"{person} {key}", address, Message(text="お知らせ"))])
    return outcome


async def deactivate(person: Person, *, erase: bool) -> None:
    login = person.id[1:].partition(":")[0]
    proof = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": person.id},
        "password": f"password of {login}",
    }
    await person.call("POST", "account", "deactivate", body={"erase": erase, "auth": proof})


def gone(outcome: Outcome) -> bool:
    return isinstance(outcome, Rejected) and outcome.gone


@pytest.mark.parametrize("id", ["@yamda:kairanban.test", "yamada", "@yamada", "@:kairanban.test", "@yamada:other.jp"])
async def test_nobody_is_at_an_address_that_is_mistyped(matrix: Matrix, id: str) -> None:
    assert gone(await send(matrix, id))


async def test_whoever_was_erased_is_gone(matrix: Matrix, staff: Staff) -> None:
    alice = await staff()
    await deactivate(alice, erase=True)
    assert gone(await send(matrix, alice.id))


@pytest.mark.parametrize("erase", [True, False])
async def test_a_deactivated_account_leaves_its_pair_talk_and_that_is_heard(
    synapse: Synapse, account: Account, staff: Staff, folder: Path, erase: bool
) -> None:
    ear, matrix = Ear(), account.adapter(synapse.url)
    async with running(ear.router, matrix, account, folder):
        alice = await staff()
        assert isinstance(await send(matrix, alice.id), Sent)
        await alice.hears()
        await deactivate(alice, erase=erase)
        left = await ear.hears(MemberLeft)
        assert (left.member, left.direct) == (alice.id, True)


async def test_of_an_account_that_was_deactivated_before_we_met_synapse_says_nothing(
    matrix: Matrix, staff: Staff
) -> None:
    # docs/platforms/matrix.md tells to erase it: should Synapse learn to say so, that page can.
    alice = await staff()
    await deactivate(alice, erase=False)
    assert isinstance(await send(matrix, alice.id), Sent)


async def test_whoever_has_emptied_their_profile_is_there(matrix: Matrix, staff: Staff) -> None:
    alice = await staff()
    await alice.call("PUT", "profile", alice.id, "displayname", body={"displayname": ""})
    assert isinstance(await send(matrix, alice.id), Sent)
    await alice.hears()


async def test_whoever_blocks_invitations_is_gone_until_they_let_them_in_again(matrix: Matrix, staff: Staff) -> None:
    alice = await staff()
    setting = ("user", alice.id, "account_data", "m.invite_permission_config")
    await alice.call("PUT", *setting, body={"default_action": "block"})
    assert gone(await send(matrix, alice.id))
    assert gone(await send(matrix, alice.id, "the room is there by now"))
    await alice.call("PUT", *setting, body={})
    assert isinstance(await send(matrix, alice.id, "again"), Sent)
    await alice.hears()


async def test_whoever_merely_ignores_the_bot_is_not_told_apart(matrix: Matrix, staff: Staff) -> None:
    alice = await staff()
    setting = ("user", alice.id, "account_data", "m.ignored_user_list")
    await alice.call("PUT", *setting, body={"ignored_users": {matrix.user: {}}})
    assert isinstance(await send(matrix, alice.id), Sent)


async def test_a_homeserver_that_hides_profiles_from_strangers_refuses_nobody(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    account = Account.new()
    hidden = {"limit_profile_requests_to_users_who_share_rooms": True, "require_auth_for_profile_requests": True}
    with Synapse.prepared(tmp_path / "home", registrations=[account.write(tmp_path)], settings=hidden) as synapse:
        matrix = account.adapter(synapse.url)
        await matrix.open()
        alice, bob = [await person(session, synapse, login) for login in ("alice", "bob")]
        await bob.call(
            "PUT", "user", bob.id, "account_data", "m.invite_permission_config", body={"default_action": "block"}
        )
        assert isinstance(await send(matrix, alice.id), Sent)
        await alice.hears()
        assert gone(await send(matrix, bob.id))
        await matrix.close()
