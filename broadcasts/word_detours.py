"""The statements of rerouting for words that are no notice: invitations to surveys, requests to approve, warnings.

They go from one chat to another and never to e-mail; the parameters are those of `broadcasts.detours`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Text, and_, bindparam, cast, func, literal, select

from bot.messages import Priority
from bot.tables import addresses, deliveries, messages
from broadcasts.detours import FROM, IDS, LIMIT, NOW, REFUSED, TARGETS, WAITS, best_first, given_up_at
from broadcasts.fanout import insert_once
from broadcasts.tables import broadcast_messages

_whose = addresses.alias("whose")
_others = addresses.alias("others")
_MOVED = ":moved:"

# The key of a copy names every delivery that it stands for, one after the other.
_before = given_up_at(_others.c.adapter, _others.c.address)
_untried = (
    ~_before.where(
        (deliveries.c.key + literal(":")).like(
            literal(f"%{_MOVED}") + cast(_before.selected_columns[0], Text) + literal(":%")
        )
    )
    .correlate(_others, deliveries)
    .exists()
)

_another = and_(
    _whose.c.adapter == deliveries.c.adapter,
    _whose.c.address == deliveries.c.address,
    _others.c.member_id == _whose.c.member_id,
    _others.c.reachable,
    _others.c.adapter != FROM,
    _others.c.adapter.in_(TARGETS),
    _untried,
)


def _movable(condition: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            deliveries.c.id,
            deliveries.c.message_id,
            deliveries.c.claimed_until.is_not(None).label("uncertain"),
            deliveries.c.topic,
            messages.c.body,
        )
        .join(messages, messages.c.id == deliveries.c.message_id)
        .where(
            condition,
            deliveries.c.kind == "person",
            # An answer belongs where somebody has spoken.
            deliveries.c.priority != int(Priority.REPLY),
            ~select(broadcast_messages.c.message_id)
            .where(broadcast_messages.c.message_id == deliveries.c.message_id)
            .correlate(deliveries)
            .exists(),
            select(_others.c.member_id).where(_another).correlate(deliveries).exists(),
        )
        .order_by(deliveries.c.priority, deliveries.c.id)
        .limit(LIMIT)
    )


STUCK_WORDS = _movable(WAITS)
REFUSED_WORDS = _movable(REFUSED)

_there = (
    select(
        deliveries.c.id.label("delivery_id"),
        _others.c.adapter,
        _others.c.address,
        func.row_number()
        .over(partition_by=deliveries.c.id, order_by=(best_first(_others), _others.c.preference, _others.c.adapter))
        .label("place"),
    )
    .where(deliveries.c.id.in_(IDS), _another)
    .subquery("there")
)
SEND_WORDS_THERE = insert_once(
    select(
        (deliveries.c.key + literal(_MOVED) + cast(deliveries.c.id, Text)).label("key"),
        bindparam("message_id", type_=BigInteger).label("message_id"),
        _there.c.adapter,
        deliveries.c.kind,
        _there.c.address,
        deliveries.c.topic,
        deliveries.c.priority,
        NOW.label("due_at"),
        NOW.label("created_at"),
    )
    .join(_there, _there.c.delivery_id == deliveries.c.id)
    .where(_there.c.place == 1)
    .order_by(deliveries.c.id)
)
"""Queue `message_id` for those whom these deliveries would have reached."""
