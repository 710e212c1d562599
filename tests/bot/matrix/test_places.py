"""What the bot asks of a homeserver that answers as it is told: strangers, failures, and gaps that are hard to time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import orjson
import pytest

from bot.adapters.matrix import Matrix, wire
from bot.adapters.matrix.catching_up import CatchingUp
from bot.adapters.matrix.homeserver import Homeserver, MatrixProblem
from bot.adapters.matrix.places import Places
from bot.adapters.matrix.reading import Reader
from bot.adapters.matrix.rooms import Rooms
from bot.errors import KairanbanError
from tests.bot.matrix.test_reading import ALICE, BOT, KEY, TALK, event, said

Answer = dict[str, Any] | MatrixProblem


class Told(Homeserver):
    """Answers what it was told by the beginning of method and path, and notes what it was asked."""

    def __init__(self, **answers: Answer) -> None:
        super().__init__("http://nowhere", "token", BOT, timeout=timedelta(seconds=1), on_gap=lambda: None)
        self.answers: dict[str, Answer] = {path.replace("_", " "): answer for path, answer in answers.items()}
        self.asked: list[str] = []

    async def call(
        self,
        method: str,
        *path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        version: str = "v3",
        patience: float = 1,
    ) -> dict[str, Any]:
        asked = " ".join((method, *path))
        self.asked.append(asked)
        answer = next((answer for begin, answer in self.answers.items() if begin in asked), {})
        if isinstance(answer, MatrixProblem):
            raise answer
        return answer


def missing() -> MatrixProblem:
    return MatrixProblem("The homeserver answered 404: M_NOT_FOUND", 404, "M_NOT_FOUND")


def invited(rooms: Rooms, by: str, *, direct: bool = True) -> None:
    content = {"membership": "invite", "is_direct": direct}
    rooms.note_invitation(event(wire.MEMBER, "!new", by, state_key=BOT, content=content), BOT)


async def test_a_stranger_is_declined() -> None:
    rooms, server = Rooms(), Told()
    invited(rooms, "@mallory:elsewhere.jp")
    assert await Places(server, BOT, rooms).answer_invitations()
    assert server.asked == ["POST rooms !new leave"]
    assert rooms.direct("@mallory:elsewhere.jp") is None
    assert not rooms.invitations


async def test_a_room_of_several_is_joined_and_is_nobodys_pair_talk() -> None:
    rooms, server = Rooms(), Told(encryption=missing())
    invited(rooms, ALICE, direct=False)
    await Places(server, BOT, rooms).answer_invitations()
    assert server.asked[0] == "POST rooms !new join"
    assert rooms.person("!new") is None


async def test_an_invitation_that_was_taken_back_holds_nobody_up() -> None:
    rooms, server = Rooms(), Told(join=MatrixProblem("You are not invited to this room.", 403, "M_FORBIDDEN"))
    invited(rooms, ALICE)
    await Places(server, BOT, rooms).answer_invitations()
    assert not rooms.invitations


async def test_an_invitation_waits_while_the_homeserver_is_away() -> None:
    rooms, server = Rooms(), Told(join=MatrixProblem("The homeserver did not answer in time."))
    invited(rooms, ALICE)
    with pytest.raises(MatrixProblem):
        await Places(server, BOT, rooms).answer_invitations()
    assert rooms.invitations


async def test_a_room_of_an_earlier_life_is_found_and_whoever_left_it_is_invited_again() -> None:
    taken = MatrixProblem("Room alias already taken", 400, "M_ROOM_IN_USE")
    for state, asked_again in (({"membership": "join"}, False), ({"membership": "leave"}, True), (missing(), True)):
        rooms = Rooms()
        server = Told(POST_createRoom=taken, GET_directory={"room_id": "!old"}, state=state)
        assert await Places(server, BOT, rooms).direct(ALICE) == "!old"
        assert ("POST rooms !old invite" in server.asked) == asked_again
        assert server.asked[-1] == f"PUT user {BOT} account_data m.direct"
        assert rooms.person("!old") == ALICE


async def test_what_the_homeserver_refuses_for_other_reasons_is_told() -> None:
    for answers in ({"POST_createRoom": MatrixProblem("no", 403)}, {"GET_profile": missing()}):
        with pytest.raises(MatrixProblem):
            await Places(Told(**answers), BOT, Rooms()).direct(ALICE)
    with pytest.raises(MatrixProblem):
        await Places(Told(members={"chunk": []}, invite=MatrixProblem("no", 403)), BOT, Rooms()).bring_in("!r", [ALICE])


# ---------------------------------------------------------------- catching up


def catching_up(server: Told) -> tuple[CatchingUp, Rooms]:
    rooms = Rooms()
    rooms.learn({ALICE: [TALK]})
    places = Places(server, BOT, rooms)
    return CatchingUp(server, BOT, KEY, rooms, Reader("matrix", BOT, "回覧板", KEY, rooms, None), places), rooms


async def test_a_receipt_for_what_nobody_knows_means_nothing() -> None:
    asking, rooms = catching_up(Told(messages={"chunk": [said(1)]}, context=missing()))
    assert await asking.position(rooms[TALK], "$gone") == 0
    asking, rooms = catching_up(Told(messages={"chunk": []}, context=MatrixProblem("down", 502)))
    with pytest.raises(MatrixProblem):
        await asking.position(rooms[TALK], "$gone")


async def test_a_message_of_the_bot_that_was_not_heard_of_is_asked_for_again() -> None:
    server = Told(messages={"chunk": [said(1)]}, context={"event": event(), "events_before": [said(2)]})
    asking, rooms = catching_up(server)
    await asking.load(rooms[TALK])
    server.answers["messages"] = {"chunk": [said(2), said(1)]}
    assert await asking.position(rooms[TALK], "$later") == 2
    server.answers["context"] = {"event": event(), "events_before": [said(0)]}
    assert await asking.position(rooms[TALK], "$older than all that is remembered") == 0


async def test_the_first_day_begins_now_and_an_unanswered_invitation_is_not_passed_over() -> None:
    stripped = {"type": wire.MEMBER, "state_key": BOT, "sender": ALICE, "content": {"membership": "invite"}}
    for invitations, kept in (({}, True), ({"!new": {"invite_state": {"events": [stripped]}}}, False)):
        sync = {"next_batch": "s1", "rooms": {"invite": invitations}}
        server = Told()
        server.answers = {f"GET user {BOT}": missing(), "GET sync": sync}
        asking, rooms = catching_up(server)
        await asking.begin()
        assert (f"PUT user {BOT} account_data kairanban.cursor" in server.asked) == kept
        assert bool(rooms.invitations) != kept


# -------------------------------------------------------------------- parsing


def matrix() -> Matrix:
    return Matrix("http://127.0.0.1:1", "as", "hs", BOT)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body | {"ephemeral": "nothing"},
        lambda body: body | {"ephemeral": ["nothing", {"type": "m.typing"}, {"type": "m.receipt"}]},
        lambda body: body | {"to_device": [], "device_lists": {}},
    ],
)
def test_what_else_a_transaction_carries_breaks_nothing(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    adapter = matrix()
    assert adapter.parse(orjson.dumps(change({"events": [event()]}))) == [], "Nothing is known yet; listen fetches it."
    adapter._rooms.learn({ALICE: [TALK]})
    assert len(adapter.parse(orjson.dumps(change({"events": [event()]})))) == 1


async def test_an_adapter_that_is_not_open_says_so() -> None:
    with pytest.raises(KairanbanError, match="open"):
        await matrix().room_members("!r")
    assert await matrix().catch_up() == 0
    assert repr(matrix()) == f"<Matrix matrix: {BOT}>"
