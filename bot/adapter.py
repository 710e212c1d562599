"""The seam between Kairanban and a chat platform.

An adapter is two small directions: `verify` and `parse` turn a signed request into events, `send` turns deliveries
into the platform's calls. It keeps no state that must survive a restart: the inbox and the outbox do that. What a
platform can do beyond text stands in `Capabilities` and in the small protocols at the end of this file.

`bot.testing.conformance` holds every adapter to this page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, runtime_checkable

from bot.attachments import Shelf
from bot.events import Event
from bot.messages import Address, Attachment, Message, Priority


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can do, as facts that the house plans with."""

    batch_size: int = 1
    """How many deliveries one call of `send` takes. Above 1, a batch shares one message (multicast)."""
    room_size: int | None = None
    """Members in one room at most; None where the platform has no rooms for bots."""
    native_receipts: bool = False
    """Whether the platform says who has read; where not, an acknowledgement button takes its place."""
    buttons: int = 0
    """Buttons under one message at most; 0 where there are none."""
    attachments: int = 0
    """Files with one message at most; 0 where the adapter carries none."""
    attachment_bytes: int | None = None
    """Bytes of one message's files together at most, where that is less than what any message may carry."""
    text_length: int = 5_000
    """Characters in one message at most."""
    deletes: bool = False
    """Whether the bot can take a message back that it has sent."""
    idempotent: bool = False
    """Whether a repeated `Delivery.key` is recognised, so that a retry can never be a second message."""
    rate: float | None = None
    """Calls a second at most, of all processes on one database together, evenly spaced; None for no known limit."""
    sustained: float | None = None
    """Calls a second at most on average over half an hour, where that is less; what is urgent may go beyond it."""
    concurrency: int = 32
    """Calls under way at once."""
    body_limit: int | None = None
    """Bytes of one webhook request that the platform may send, where that is more than the server's usual limit."""

    def carries(self, attachments: Sequence[Attachment]) -> bool:
        """Whether these files can go with one message here: all of them or, so that nobody misses one, none."""
        if len(attachments) > self.attachments:
            return False
        return self.attachment_bytes is None or sum(each.size for each in attachments) <= self.attachment_bytes


@dataclass(slots=True)
class Delivery:
    """One thing to do at a platform: send `message` to `address`, or delete `message_id` there.

    `key` never changes between attempts and is the idempotency key. Not frozen, because one is made for every message
    to every person, and freezing triples what that costs; nobody changes it all the same.
    """

    id: int
    key: str
    address: Address
    message: Message
    action: Literal["send", "delete"] = "send"
    message_id: str | None = None
    attempt: int = 1
    uncertain: bool = False
    """Whether the platform may have it already: an earlier try had no answer, or nobody lived to write it down.

    Where a key is recognised that is no matter. Elsewhere this try may be a second copy, and ought to say so.
    """
    tried_at: datetime | None = None
    """When it was first tried, where it is `uncertain`: keys are remembered for a while only, and this tells whether
    that is over."""
    priority: int = Priority.REPLY
    reply_token: str | None = None
    """What the event had that this answers; spent or too old, it is of no use, and the message goes the usual way."""
    shared_call: str | None = None
    """The name of the call that it shares with the rest of the batch, or its own key where it must go alone.

    Those that share one come together in every try, so that an idempotency key made of the name means the same people.
    None: nothing has been tried yet, with anybody.
    """


@dataclass(frozen=True, slots=True)
class Sent:
    """Done. `message_id` is the platform's, by which receipts and deletions find the message."""

    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Not done, worth another try. With `after`, the platform named the wait: a snooze, which is no attempt."""

    reason: str
    after: timedelta | None = None
    uncertain: bool = False
    """Whether it may be done after all: there was no answer, or one that does not tell. Later tries are told so."""
    plainly: bool = False
    """Whether the next try goes alone and without a reply token, because this one was surely refused with them."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not done, and never will be: another try would get the same answer."""

    reason: str
    gone: bool = False
    """Whether it is the address, and not what was said: nobody is there, or they want no messages of ours.

    Say so only where the platform does: what is sent next goes to the person's next address at once.
    """


Outcome = Sent | Retry | Rejected


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request where a platform wants more than an empty 200.

    With `events` the request carries events: it goes out once they are on disk, and not at all if they could not be put
    there.
    """

    body: bytes = b"{}"
    status: int = 200
    content_type: str = "application/json"
    events: bool = False


class Adapter(Protocol):
    """One chat platform."""

    name: str
    capabilities: Capabilities

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the platform signed these raw bytes; compares in constant time. `headers` ignores case."""

    def parse(self, body: bytes) -> Sequence[Event]:
        """The events in a verified body, in their order; none for a connection check.

        A single event of an unknown kind becomes `Unknown`, one of a kind that is known and never used `Unused`. Raises
        `MalformedPayload` if the body as a whole cannot be read; the caller stores it as `Unknown`.
        """

    async def send(self, batch: Sequence[Delivery]) -> Sequence[Outcome]:
        """Carry out up to `capabilities.batch_size` deliveries; one outcome for each, in their order.

        Never raises for what a network or a platform does: a time-out or a cut connection is a `Retry`.
        """

    async def open(self) -> None:
        """Take connections and tokens; called once in the running loop before anything else."""

    async def close(self) -> None:
        """Give everything back."""


@runtime_checkable
class MakesRooms(Protocol):
    """An adapter whose platform lets the bot make rooms and choose their members."""

    async def create_room(self, title: str, members: Sequence[str], *, key: str) -> str:
        """A new room with these members (platform ids) and the bot; its id. The same `key` gives the same room."""

    async def add_to_room(self, room: str, members: Sequence[str]) -> None:
        """Bring members in; those who are in already stay."""

    async def remove_from_room(self, room: str, members: Sequence[str]) -> None:
        """Take members out; those who are not in it are passed over."""

    async def room_members(self, room: str) -> Sequence[str]:
        """Who is in the room, without the bot."""


@runtime_checkable
class CarriesFiles(Protocol):
    """An adapter that can send files with a message, once it has been told where they lie."""

    def carry(self, shelf: Shelf) -> None:
        """Take the files from here from now on; `capabilities.attachments` is above 0 afterwards."""


@runtime_checkable
class FetchesFiles(Protocol):
    """An adapter that can bring in what people have sent to the bot."""

    async def fetch_files(self, message_id: str) -> Sequence[Attachment]:
        """The files of a message that the bot has received, now on the shelf.

        Raises `Refused` for what a message may not carry, and an error of the network's to be tried again.
        """


@runtime_checkable
class ListsReads(Protocol):
    """An adapter whose platform can be asked who has read a message, to catch up after a gap."""

    async def readers(self, message_id: str) -> Sequence[str]:
        """Platform ids of those who have read the bot's message so far."""


@runtime_checkable
class ListsPeople(Protocol):
    """An adapter whose platform knows the staff numbers of its users, so that nobody types addresses in."""

    async def people(self) -> Mapping[str, str]:
        """Platform ids by staff number, of everybody whom the platform knows; asked once at the start."""


@runtime_checkable
class Listens(Protocol):
    """An adapter that fetches its events itself (a terminal, a long poll), besides or instead of webhooks."""

    async def listen(self, take: Callable[[Sequence[Event]], Awaitable[None]]) -> None:
        """Hand events to `take` as they come, and return when there will be no more.

        `take` returns once they are on disk, and raises `InboxUnavailable` if they could not be put there. Cancelled
        when the bot stops.
        """


Report = Callable[[str, bool, Mapping[str, object]], None]
"""Takes the kind of a trouble (`quota_used_up`), whether it stands or is over, and what fills its sentence."""


@runtime_checkable
class ReportsTroubles(Protocol):
    """An adapter that notices something which people have to mend, and which its own platform is no way to tell of."""

    def report_to(self, report: Report) -> None:
        """Call `report`, which returns at once and never raises, when a trouble begins and when it is over."""


@runtime_checkable
class Answers(Protocol):
    """An adapter whose platform wants answers of its own: a challenge sent back, a document, more addresses."""

    def answer(self, method: str, path: str, body: bytes) -> Reply | None:
        """The answer to a request that `verify` has accepted.

        `path` is what follows `/webhooks/NAME`, as it was sent: empty there, such as `/transactions/7` below. None is
        the usual: a POST to `/webhooks/NAME` itself carries events and gets an empty 200, all else is not there (404).
        Raises MalformedPayload like `parse`.
        """
