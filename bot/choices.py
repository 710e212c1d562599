"""A choice that is typed is the choice that is pressed.

What stands under the bot's messages in pair talk is remembered, the last dialogue's and what was put before somebody
unasked. A text that names one of those buttons becomes the press of it, before any handler sees it: with the same data,
and so the same checks. A label counts as long as its message is the last that the person was given choices by;
a number, はい or いいえ only while nothing was said since. What could mean several is asked about, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter

import orjson
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import spoken
from bot.clock import Clock
from bot.events import BaseEvent, ButtonPressed, MessageReceived
from bot.messages import Address, Button, Message
from bot.outbox import Outgoing
from bot.storage import Database
from bot.tables import offers

FORGOTTEN_AFTER = timedelta(hours=12)
"""After this, what somebody types chooses nothing that yesterday's message offered."""
ASKED_ABOUT = 8
"""Choices that a question which one is meant names at most."""
_TITLE_LENGTH = 60

_FIND = (
    select(offers)
    .where(
        offers.c.adapter == bindparam("adapter"),
        offers.c.address == bindparam("address"),
        offers.c.offered_at > bindparam("since"),
    )
    .order_by(offers.c.id.desc())
    .limit(20)
)

_PUT_BEHIND = (
    update(offers)
    .where(
        offers.c.adapter == bindparam("here"),
        offers.c.address.in_(bindparam("addresses", expanding=True)),
        ~offers.c.behind,
    )
    .values(behind=True)
)
_SUPERSEDE = delete(offers).where(
    offers.c.adapter == bindparam("adapter"),
    offers.c.address.in_(bindparam("addresses", expanding=True)),
    (~offers.c.pushed) | (offers.c.offered_at < bindparam("since")),
)


@dataclass(frozen=True, slots=True)
class Unclear:
    """A text that could mean several choices: the buttons that tell them apart.

    Not the text itself: replies are stored with the person's address, and it may be an anonymous answer.
    """

    buttons: tuple[Button, ...]


@dataclass(frozen=True, slots=True)
class _Offer:
    buttons: tuple[Button, ...]
    title: str
    labels_only: bool
    behind: bool


class Choices:
    """Understands what is typed as a choice."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def meant(self, event: BaseEvent) -> ButtonPressed | Unclear | None:
        """The press that a message stands for; None if it is no choice."""
        if not isinstance(event, MessageReceived) or not event.direct or event.files or event.location is not None:
            return None
        if event.text.lstrip().startswith(("/", "／")) or (given := spoken.said(event.text)) is None:
            return None
        found = await self._offers(event)
        # While a message waits for an answer, those before it are superseded, whatever their labels say.
        found = [offer for offer in found if not offer.behind] or found
        if not found:
            return None
        matches = dict(_named(given, found))
        sure = True
        if not matches:
            matches, sure = _agreed(given, found)
        if not matches:
            return None
        if sure and len(matches) == 1:
            return _pressed(event, next(iter(matches)))
        return Unclear(_told_apart(matches))

    async def _offers(self, event: MessageReceived) -> list[_Offer]:
        values = {
            "adapter": event.adapter,
            "address": event.sender,
            "since": self._clock.now() - FORGOTTEN_AFTER,
        }
        async with self._database.snapshot() as db:
            rows = (await db.execute(_FIND, values)).all()
        return [
            _Offer(
                buttons=tuple(Button.model_validate(each) for each in orjson.loads(row.buttons)),
                title=row.title,
                labels_only=row.labels_only,
                behind=row.behind,
            )
            for row in rows
        ]


def _named(given: spoken.Said, found: Sequence[_Offer]) -> list[tuple[str, tuple[Button, _Offer]]]:
    return [
        (offer.buttons[place].data, (offer.buttons[place], offer))
        for offer in found
        for place in spoken.named(given, offer.buttons)
    ]


def _agreed(given: spoken.Said, found: Sequence[_Offer]) -> tuple[dict[str, tuple[Button, _Offer]], bool]:
    """(what a number or はい may mean, whether it is sure): it is not if something else was said since."""
    matches = {
        (offer.buttons[place].data, offer.behind): (offer.buttons[place], offer)
        for offer in found
        if not offer.labels_only
        for place in spoken.agreed(given, offer.buttons)
        if not offer.behind or any(button.means for button in offer.buttons)
    }
    fresh = {data: pair for (data, behind), pair in matches.items() if not behind}
    # Of two messages on the screen, a number belongs to no one of them for sure.
    open_ones = sum(1 for offer in found if not offer.behind)
    if fresh:
        return fresh, open_ones == 1 or len(fresh) > 1 or given.number is None
    return {data: pair for (data, _), pair in matches.items()}, False


def _pressed(event: MessageReceived, data: str) -> ButtonPressed:
    return ButtonPressed(
        adapter=event.adapter,
        key=event.key,
        conversation=event.conversation,
        direct=True,
        occurred_at=event.occurred_at,
        sender=event.sender,
        message_id=event.message_id,
        data=data,
        reply_token=event.reply_token,
    )


def _told_apart(matches: Mapping[str, tuple[Button, _Offer]]) -> tuple[Button, ...]:
    differ = len({button.label for button, _ in matches.values()}) == len(matches) > 1
    buttons = []
    for data, (button, offer) in list(matches.items())[:ASKED_ABOUT]:
        label = button.label if differ else f"{button.label}（{offer.title}）"
        label = label if len(label) <= 40 else f"{label[:38]}…）"
        buttons.append(Button(label=label, data=data, means=button.means, spoken=(button.label, *button.spoken)))
    return tuple(buttons)


# ------------------------------------------------------------------------------------------- what was offered


async def note_replies(db: AsyncConnection, outgoing: Sequence[Outgoing], now: datetime) -> None:
    """Remember what stands under the answers to events; what stood there before is superseded, or no longer last."""
    rows, talks, renewed = [], set[tuple[str, str]](), set[tuple[str, str]]()
    for item in outgoing:
        if item.address.kind != "person" or item.due_at is not None:
            continue
        talk = (item.address.adapter, item.address.id)
        talks.add(talk)
        if item.message.buttons:
            renewed.add(talk)
        if (row := _row(item.address, item.message, now, pushed=False)) is not None:
            rows.append(row)
    # Deleted first: what is superseded need not be put behind before that.
    for adapter, addresses in _by_adapter(renewed):
        values = {"adapter": adapter, "addresses": addresses, "since": now - FORGOTTEN_AFTER}
        await db.execute(_SUPERSEDE, values)
    for adapter, addresses in _by_adapter(talks):
        await db.execute(_PUT_BEHIND, {"here": adapter, "addresses": addresses})
    if rows:
        await db.execute(insert(offers), rows)


def _by_adapter(talks: Iterable[tuple[str, str]]) -> Iterator[tuple[str, list[str]]]:
    for adapter, group in groupby(sorted(talks), key=itemgetter(0)):
        yield adapter, [address for _, address in group]


async def note_pushed(db: AsyncConnection, addresses: Sequence[Address], message: Message, now: datetime) -> None:
    """Remember what was put before people unasked: it stays open beside what they are talking about."""
    rows = [row for each in addresses if (row := _row(each, message, now, pushed=True)) is not None]
    if rows:
        await db.execute(insert(offers), rows)


def _row(address: Address, message: Message, now: datetime, *, pushed: bool) -> dict[str, object] | None:
    if not message.buttons or message.typed == "own":
        return None
    title = next((line.strip() for line in message.text.splitlines() if line.strip()), "")
    return {
        "adapter": address.adapter,
        "address": address.id,
        "buttons": orjson.dumps([each.model_dump(exclude_defaults=True) for each in message.buttons]).decode(),
        "title": title[:_TITLE_LENGTH],
        "labels_only": message.typed == "labels",
        "behind": False,
        "pushed": pushed,
        "offered_at": now,
    }
