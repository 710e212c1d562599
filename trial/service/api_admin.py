"""What the administrator does: the operations below /v1/admin."""

from __future__ import annotations

from aiohttp import web

from trial.service import accounts, models, statistics
from trial.service.calls import Call, Core, Route, respond
from trial.service.hub import UNAUTHORIZED
from trial.service.problems import Unprocessable
from trial.service.store import transaction


async def _put_people(core: Core, request: web.Request, _: str) -> web.StreamResponse:
    """`POST /v1/admin/users`: hashing takes its time, so it happens before the transaction and beside the loop."""
    given: models.NewUsers
    _raw, given = await core.read(request, models.NewUsers)
    if len({user.login for user in given.users}) < len(given.users):
        raise Unprocessable("users: a login stands there twice; send each once.")
    stored = dict(core.db.execute("SELECT login, password FROM people").fetchall())
    hashes = await core.passwords.hash_changed([(user.password, stored.get(user.login)) for user in given.users])
    change = core.change()
    with transaction(core.db):
        answer, signed_out = accounts.put_people(change, given.users, hashes)
    for person in signed_out:
        core.hub.disconnect(person, UNAUTHORIZED)
    return respond(200, answer.model_dump_json().encode())


def _put_bot(call: Call, given: models.NewBot) -> models.BotAccess:
    access = accounts.put_bot(call.change, given.name, given.callback_url)
    call.change.after_commit(lambda: call.core.courier.ring(int(access.bot_id[1:]), at_once=True))
    return access


def _move_bot(call: Call, given: models.CallbackUrl) -> None:
    bot = accounts.move_bot(call.change, call.path["bot"], given.callback_url)
    call.change.after_commit(lambda: call.core.courier.ring(bot, at_once=True))


def _reset_token(call: Call) -> models.BotToken:
    return models.BotToken(token=accounts.reset_token(call.change, call.path["bot"]))


def _statistics(call: Call) -> models.Statistics:
    return statistics.count(call.change)


def _faults(call: Call, given: models.Faults) -> None:
    call.core.misbehaviour.set(given)


ROUTES = (
    Route(
        "POST",
        "/v1/admin/users",
        "Make or change people, by login",
        _put_people,
        "admin",
        body=models.NewUsers,
        answer=models.UserIds,
        special=True,
    ),
    Route(
        "POST",
        "/v1/admin/bots",
        "Make or change a bot, by name",
        _put_bot,
        "admin",
        body=models.NewBot,
        answer=models.BotAccess,
    ),
    Route("PUT", "/v1/admin/bots/{bot}", "Move a bot", _move_bot, "admin", body=models.CallbackUrl, status=204),
    Route("POST", "/v1/admin/bots/{bot}/token", "Reset a bot's token", _reset_token, "admin", answer=models.BotToken),
    Route("GET", "/v1/admin/statistics", "What members see", _statistics, "admin", answer=models.Statistics),
    Route("PUT", "/v1/admin/faults", "Misbehave on request", _faults, "admin", body=models.Faults, status=204),
)
