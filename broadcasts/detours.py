"""The statements of rerouting, built once: whose delivery is stuck or was refused, and where else each is reached.

Parameters are the same throughout: `from` the platform that cannot deliver, `targets` the chats to go to and `down`
those of them that do not work, `mail` the platform that sends e-mail or nothing, `ids` the deliveries that are given
up. What the house says besides notices has its own in `broadcasts.word_detours`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    SmallInteger,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from bot.storage import UtcDateTime
from bot.tables import addresses, deliveries, members, messages
from broadcasts.fanout import insert_once, moved_key
from broadcasts.tables import broadcast_messages, broadcast_recipients, broadcasts, room_places, rooms

FROM = bindparam("from", type_=Text)
IDS: Any = bindparam("ids", expanding=True)
TARGETS: Any = bindparam("targets", expanding=True)
DOWN: Any = bindparam("down", expanding=True)
NOW = bindparam("now", type_=UtcDateTime)
LIMIT: Any = bindparam("limit")
_MAIL = bindparam("mail", type_=Text)
_FAILED_AT = bindparam("failed_at", type_=UtcDateTime)
_SINCE = bindparam("since", type_=UtcDateTime)

recipient = broadcast_recipients.c

# Written into the SQL: a bound parameter would hide that the partial indexes fit.
_QUEUED: ColumnElement[str] = literal_column("'queued'")
DEAD: ColumnElement[str] = literal_column("'dead'")
REPLACED: ColumnElement[str] = literal_column("'replaced'")

# ------------------------------------------------------------------ what is moved

WAITS = and_(
    deliveries.c.adapter == FROM,
    deliveries.c.state == _QUEUED,
    deliveries.c.action == "send",
    deliveries.c.created_at <= _FAILED_AT,
    # Not what quiet hours hold: by the time it is due, the platform may be back.
    or_(deliveries.c.due_at <= _FAILED_AT, deliveries.c.attempts > 0, deliveries.c.claimed_until.is_not(None)),
)
"""It has waited at a platform that is down since before the last failure there."""

REFUSED = and_(
    deliveries.c.adapter == FROM,
    deliveries.c.state == DEAD,
    deliveries.c.action == "send",
    deliveries.c.finished_at >= _SINCE,
)
"""It was given up by the outbox, lately, and nobody has dealt with it."""

# Whoever has read a notice, wherever, needs no other copy of it.
_needed = or_(broadcast_messages.c.purpose == "correction", recipient.read_at.is_(None))
_of_notice = and_(
    broadcast_messages.c.message_id == deliveries.c.message_id,
    recipient.broadcast_id == broadcast_messages.c.broadcast_id,
    _needed,
)
_to_person = and_(
    _of_notice,
    deliveries.c.kind == "person",
    addresses.c.adapter == deliveries.c.adapter,
    addresses.c.address == deliveries.c.address,
    recipient.member_id == addresses.c.member_id,
)
_inside = (
    select(room_places.c.member_id)
    .where(
        room_places.c.member_id == recipient.member_id,
        room_places.c.room_id == rooms.c.id,
        room_places.c.state.in_(("present", "leaving")),
    )
    .correlate(broadcast_recipients, rooms)
    .exists()
)
_to_room = and_(
    _of_notice,
    deliveries.c.kind == "room",
    rooms.c.adapter == deliveries.c.adapter,
    rooms.c.platform_id == deliveries.c.address,
    recipient.room_id == rooms.c.id,
    # A correction to a room is for those who are in it; everybody else gets theirs by pair talk.
    or_(broadcast_messages.c.purpose == "notice", _inside),
)

# ------------------------------------------------------------------ who has another address

_tried = deliveries.alias("tried")


def given_up_at(adapter: ColumnElement[Any], address: ColumnElement[Any]) -> Select[Any]:
    """Whatever the outbox gave up at somebody's address, moved on or not."""
    return select(_tried.c.id).where(
        _tried.c.adapter == adapter,
        _tried.c.address == address,
        _tried.c.kind == "person",
        _tried.c.state.in_((DEAD, REPLACED)),
    )


def _untried(adapter: ColumnElement[Any], address: ColumnElement[Any], of: FromClause) -> ColumnElement[bool]:
    """Whether this very message has not been given up there: nobody is led in a circle."""
    return ~given_up_at(adapter, address).where(_tried.c.topic == of.c.topic).correlate_except(_tried).exists()


_others = addresses.alias("others")


def best_first(others: FromClause) -> ColumnElement[int]:
    """Orders addresses: those on platforms that are down come last."""
    return case((others.c.adapter.in_(DOWN), 1), else_=0)


_mailed = members.alias("mailed")


def _has_mail(topic_of: FromClause) -> ColumnElement[bool]:
    # A drill never leaves the chat (`kinds.may_leave_chat`).
    return and_(
        _MAIL != "", broadcasts.c.kind != "drill", _mailed.c.email != "", _untried(_MAIL, _mailed.c.email, topic_of)
    )


def _somebody(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether any of a delivery's people can be reached elsewhere: by another chat, or as a last resort by e-mail."""
    by_chat = (
        select(_others.c.member_id)
        .where(
            _others.c.member_id == recipient.member_id,
            _others.c.reachable,
            _others.c.adapter.in_(TARGETS),
            _untried(_others.c.adapter, _others.c.address, deliveries),
        )
        .correlate(broadcast_recipients, deliveries)
        .exists()
    )
    by_mail = (
        select(_mailed.c.id)
        .where(_mailed.c.id == recipient.member_id, _has_mail(deliveries))
        .correlate(broadcast_recipients, deliveries, broadcasts)
        .exists()
    )
    theirs = select(recipient.member_id).where(condition, or_(by_chat, by_mail))
    return theirs.correlate(deliveries, broadcast_messages, broadcasts).exists()


def _movable(condition: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            deliveries.c.id,
            deliveries.c.message_id,
            deliveries.c.claimed_until.is_not(None).label("uncertain"),
            deliveries.c.topic,
            deliveries.c.priority,
            broadcast_messages.c.broadcast_id,
            broadcast_messages.c.purpose,
            broadcast_messages.c.number,
            messages.c.body,
        )
        .join(broadcast_messages, broadcast_messages.c.message_id == deliveries.c.message_id)
        .join(broadcasts, broadcasts.c.id == broadcast_messages.c.broadcast_id)
        .join(messages, messages.c.id == deliveries.c.message_id)
        .where(condition, broadcasts.c.state == "sent", or_(_somebody(_to_person), _somebody(_to_room)))
        .order_by(deliveries.c.priority, deliveries.c.id)
        .limit(LIMIT)
    )


STUCK_NOTICES = _movable(WAITS)
REFUSED_NOTICES = _movable(REFUSED)

GIVE_UP = (
    update(deliveries)
    .where(deliveries.c.id.in_(IDS), deliveries.c.state.in_(("queued", "dead")))
    .values(
        # A platform that was down may be asked again, should the next one refuse; an address that was refused is not.
        state=case((deliveries.c.state == "dead", "replaced"), else_="cancelled"),
        finished_at=NOW,
        # Whether anybody can have it stands in `claimed_until` alone from now on: what is recalled later asks for it.
        attempts=0,
    )
)

# ------------------------------------------------------------------ where they go

_AFFECTED = union_all(
    *(
        select(
            deliveries.c.id.label("delivery_id"),
            deliveries.c.kind,
            deliveries.c.topic,
            recipient.broadcast_id,
            recipient.member_id,
        ).where(condition, deliveries.c.id.in_(IDS))
        for condition in (_to_person, _to_room)
    )
).subquery("affected")
_CHATS = (
    select(
        _AFFECTED.c.delivery_id,
        _AFFECTED.c.member_id,
        _others.c.adapter,
        _others.c.address,
        _others.c.adapter.in_(DOWN).label("waits"),
        func.row_number()
        .over(
            partition_by=(_AFFECTED.c.delivery_id, _AFFECTED.c.member_id),
            order_by=(best_first(_others), _others.c.preference, _others.c.adapter),
        )
        .label("place"),
    )
    .join(_others, _others.c.member_id == _AFFECTED.c.member_id)
    .where(
        _others.c.reachable,
        _others.c.adapter.in_(TARGETS),
        _untried(_others.c.adapter, _others.c.address, _AFFECTED),
    )
    .subquery("chats")
)
_here = addresses.alias("here")


def _first(chat: ColumnElement[Any], mail: ColumnElement[Any], here: ColumnElement[Any]) -> ColumnElement[Any]:
    """A chat that works, else e-mail, else a chat to wait for."""
    return case(
        (and_(_CHATS.c.place == 1, ~_CHATS.c.waits), chat),
        (_mailed.c.id.is_not(None), mail),
        else_=func.coalesce(chat, here),
    )


_THERE = (
    select(
        _AFFECTED.c.delivery_id,
        _AFFECTED.c.broadcast_id,
        _AFFECTED.c.member_id,
        _first(_CHATS.c.adapter, _MAIL, _here.c.adapter).label("adapter"),
        _first(_CHATS.c.address, _mailed.c.email, _here.c.address).label("address"),
    )
    .select_from(_AFFECTED)
    .join(broadcasts, broadcasts.c.id == _AFFECTED.c.broadcast_id)
    .outerjoin(
        _CHATS,
        and_(
            _CHATS.c.delivery_id == _AFFECTED.c.delivery_id,
            _CHATS.c.member_id == _AFFECTED.c.member_id,
            _CHATS.c.place == 1,
        ),
    )
    .outerjoin(_mailed, and_(_mailed.c.id == _AFFECTED.c.member_id, _has_mail(_AFFECTED)))
    # Those of a room who have only this platform: they wait for it, but no longer for the room's message.
    .outerjoin(
        _here,
        and_(_AFFECTED.c.kind == "room", _here.c.member_id == _AFFECTED.c.member_id, _here.c.adapter == FROM),
    )
    .where(or_(_CHATS.c.adapter.is_not(None), _mailed.c.id.is_not(None), _here.c.adapter.is_not(None)))
    .subquery("there")
)

HOW_MANY = select(_THERE.c.adapter, func.count().label("members")).group_by(_THERE.c.adapter)
"""How many of the given-up deliveries' people are reached on which platform."""

SEND_THERE = insert_once(
    select(
        moved_key(broadcasts.c.token, _THERE.c.delivery_id, _THERE.c.member_id).label("key"),
        bindparam("message_id", type_=BigInteger).label("message_id"),
        _THERE.c.adapter,
        literal("person").label("kind"),
        _THERE.c.address,
        bindparam("topic", type_=Text).label("topic"),
        bindparam("priority", type_=SmallInteger).label("priority"),
        NOW.label("due_at"),
        NOW.label("created_at"),
    )
    .join(broadcasts, broadcasts.c.id == _THERE.c.broadcast_id)
    .where(_THERE.c.adapter == bindparam("to", type_=Text))
    .order_by(_THERE.c.member_id)
)
"""Queue `message_id` for those who are reached on the platform `to`."""

NOTE_ROUTES = (
    update(broadcast_recipients)
    .values(adapter=_THERE.c.adapter, room_id=None, instead_of=_THERE.c.delivery_id)
    .where(recipient.broadcast_id == _THERE.c.broadcast_id, recipient.member_id == _THERE.c.member_id)
)
"""Where each recipient gets the notice now."""
