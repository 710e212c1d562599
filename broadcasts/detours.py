"""The statements of rerouting, built once: who is stuck at a platform that is down, and where else each is reached.

Parameters are the same throughout: `from` the platform that is down, `targets` those that work, `ids` the deliveries
that are given up.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    SmallInteger,
    Text,
    and_,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
    update,
)

from bot.messages import Priority
from bot.storage import UtcDateTime
from bot.tables import addresses, deliveries, messages
from broadcasts.fanout import first_addresses, insert_once, moved_key
from broadcasts.tables import broadcast_messages, broadcast_recipients, broadcasts, room_places, rooms

_FROM = bindparam("from", type_=Text)
_IDS: Any = bindparam("ids", expanding=True)
_TARGETS: Any = bindparam("targets", expanding=True)
_FAILED_AT = bindparam("failed_at", type_=UtcDateTime)
_NOW = bindparam("now", type_=UtcDateTime)

recipient = broadcast_recipients.c

# Written into the SQL: a bound parameter would hide that the partial index of the queue fits.
_QUEUED: ColumnElement[str] = literal_column("'queued'")


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

# ------------------------------------------------------------------ who is stuck

_others = addresses.alias("others")
_has_another = (
    select(_others.c.member_id)
    .where(_others.c.member_id == recipient.member_id, _others.c.reachable, _others.c.adapter.in_(_TARGETS))
    .correlate(broadcast_recipients)
    .exists()
)


def _somebody(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    theirs = select(recipient.member_id).where(condition, _has_another)
    return theirs.correlate(deliveries, broadcast_messages).exists()


_waits = and_(
    deliveries.c.adapter == _FROM,
    deliveries.c.state == _QUEUED,
    deliveries.c.action == "send",
    deliveries.c.created_at <= _FAILED_AT,
    # Not what quiet hours hold: by the time it is due, the platform may be back.
    or_(deliveries.c.due_at <= _FAILED_AT, deliveries.c.attempts > 0, deliveries.c.claimed_until.is_not(None)),
)

STUCK = (
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
    .where(
        _waits,
        broadcasts.c.state == "sent",
        or_(_somebody(_to_person), _somebody(_to_room)),
    )
    .order_by(deliveries.c.priority, deliveries.c.id)
    .limit(bindparam("limit"))
)
"""Deliveries that wait at a platform since before its last failure, and somebody of theirs can be reached elsewhere."""
STUCK_LOCKED = STUCK.with_for_update(of=deliveries, skip_locked=True)

GIVE_UP = (
    update(deliveries)
    .where(deliveries.c.id.in_(_IDS), deliveries.c.state == "queued")
    # Whether anybody can have it stands in `claimed_until` alone from now on: what is recalled later asks for it.
    .values(state="cancelled", finished_at=_NOW, attempts=0)
)

# ------------------------------------------------------------------ where they go

_AFFECTED = union_all(
    *(
        select(
            deliveries.c.id.label("delivery_id"), recipient.broadcast_id, recipient.member_id, deliveries.c.kind
        ).where(condition, deliveries.c.id.in_(_IDS))
        for condition in (_to_person, _to_room)
    )
).subquery("affected")
_home = first_addresses(_TARGETS)
_here = addresses.alias("here")
_THERE = (
    select(
        _AFFECTED.c.delivery_id,
        _AFFECTED.c.broadcast_id,
        _AFFECTED.c.member_id,
        func.coalesce(_home.c.adapter, _here.c.adapter).label("adapter"),
        func.coalesce(_home.c.address, _here.c.address).label("address"),
    )
    .select_from(_AFFECTED)
    .outerjoin(_home, _home.c.member_id == _AFFECTED.c.member_id)
    # Those of a room who have only this platform: they wait for it, but no longer for the room's message.
    .outerjoin(
        _here,
        and_(_AFFECTED.c.kind == "room", _here.c.member_id == _AFFECTED.c.member_id, _here.c.adapter == _FROM),
    )
    .where(or_(_home.c.adapter.is_not(None), _here.c.adapter.is_not(None)))
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
        _NOW.label("due_at"),
        _NOW.label("created_at"),
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

# ------------------------------------------------------------ words that are no notice

_whose = addresses.alias("whose")
STUCK_WORDS = (
    select(
        deliveries.c.id,
        deliveries.c.message_id,
        deliveries.c.claimed_until.is_not(None).label("uncertain"),
        messages.c.body,
    )
    .join(messages, messages.c.id == deliveries.c.message_id)
    .where(
        _waits,
        deliveries.c.kind == "person",
        # An answer belongs where somebody has spoken.
        deliveries.c.priority != int(Priority.REPLY),
        ~select(broadcast_messages.c.message_id)
        .where(broadcast_messages.c.message_id == deliveries.c.message_id)
        .correlate(deliveries)
        .exists(),
        select(_whose.c.member_id)
        .join(_others, _others.c.member_id == _whose.c.member_id)
        .where(
            _whose.c.adapter == deliveries.c.adapter,
            _whose.c.address == deliveries.c.address,
            _others.c.reachable,
            _others.c.adapter.in_(_TARGETS),
        )
        .correlate(deliveries)
        .exists(),
    )
    .order_by(deliveries.c.priority, deliveries.c.id)
    .limit(bindparam("limit"))
)
"""What the house says to persons by itself besides notices: invitations to surveys, requests to approve."""
STUCK_WORDS_LOCKED = STUCK_WORDS.with_for_update(of=deliveries, skip_locked=True)

SEND_WORDS_THERE = insert_once(
    select(
        (deliveries.c.key + literal(":moved:") + cast(deliveries.c.id, Text)).label("key"),
        bindparam("message_id", type_=BigInteger).label("message_id"),
        _home.c.adapter,
        deliveries.c.kind,
        _home.c.address,
        deliveries.c.topic,
        deliveries.c.priority,
        _NOW.label("due_at"),
        _NOW.label("created_at"),
    )
    .join(_whose, and_(_whose.c.adapter == deliveries.c.adapter, _whose.c.address == deliveries.c.address))
    .join(_home, _home.c.member_id == _whose.c.member_id)
    .where(deliveries.c.id.in_(_IDS))
    .order_by(deliveries.c.id)
)
"""Queue `message_id` for those whom these deliveries would have reached."""
