"""How approvers are asked: the files of the notice, who wants it and until when, its preview with two buttons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapter import Adapter
from bot.clock import Clock, to_tokyo
from bot.directory import Member
from bot.messages import Button, Message, Priority
from bot.outbox import Outbox
from bot.texts import Texts
from broadcasts.files import files_of
from broadcasts.requests import asking_key, were_asked
from broadcasts.telling import paged, tell


class Asking:
    """Queues the messages; whom to ask, and when, is for `Approvals`."""

    def __init__(self, outbox: Outbox, adapters: Mapping[str, Adapter], clock: Clock, texts: Texts) -> None:
        self._outbox = outbox
        self._adapters = dict(adapters)
        self._clock = clock
        self._texts = texts

    async def ask(
        self,
        db: AsyncConnection,
        people: Sequence[int],
        number: int,
        notice: Row[Any],
        author: Member,
        pages: Sequence[str],
        seen: str,
        until: datetime,
        *,
        again: bool = False,
    ) -> None:
        """Ask them, or ask them `again`; who was asked before has the files already."""
        before = await were_asked(db, number) if again else []
        await self._show_files(db, notice, [each for each in people if each not in before], number, again)
        opening = self._texts(
            "approval.request_again" if again else "approval.request",
            id=notice.id,
            author=author.name,
            department=author.department,
            kind=self._texts(f"kind.{notice.kind}"),
            until=f"{to_tokyo(until):%m月%d日 %H:%M}",
        )
        said = paged([opening, *pages], self.buttons(number, seen))
        await self._tell(db, tuple(self._adapters), people, said, asking_key(number, again=again))

    def buttons(self, number: int, seen: str) -> tuple[Button, ...]:
        """What an approver presses under a preview."""
        return (
            Button(label=self._texts("approval.approve"), data=f"approval:approve:{number}:{seen}", means="yes"),
            Button(label=self._texts("approval.return"), data=f"approval:return:{number}", means="no"),
        )

    async def _show_files(
        self, db: AsyncConnection, notice: Row[Any], people: Sequence[int], number: int, again: bool
    ) -> None:
        """Nobody can agree to what they cannot open: the files come first, where a platform of theirs carries them."""
        attached = files_of(notice)
        able = [name for name, each in self._adapters.items() if each.capabilities.carries(attached)]
        if people and attached and able:
            said = Message(text=self._texts("attachment.to_approve", id=notice.id), attachments=attached)
            await self._tell(db, able, people, [said], f"{asking_key(number, again=again)}:files")

    async def _tell(
        self, db: AsyncConnection, adapters: Sequence[str], people: Sequence[int], said: Sequence[Message], key: str
    ) -> None:
        now = self._clock.now()
        await tell(db, self._outbox, adapters, people, said, key=key, now=now, priority=Priority.EMERGENCY)
