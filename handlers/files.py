"""Files that a sender gives to the bot in pair talk: kept for the notice that they write next."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.attachments import checked
from bot.context import Context
from bot.directory import Member
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Attachment, Button
from bot.router import NEXT, Router
from broadcasts.rights import SENDERS, reach
from broadcasts.service import Broadcasts
from broadcasts.wording import file_line
from handlers.kindly import asker, kindly

TOPIC = "files"


def build_router(broadcasts: Broadcasts) -> Router:
    """Takes files in, and gives them back for the asking."""
    router = Router()
    texts, dialogues = broadcasts.texts, broadcasts.dialogues

    @router.on(MessageReceived)
    @kindly(texts)
    async def given(ctx: Context[MessageReceived]) -> object:
        event = ctx.event
        if not event.files or not event.direct or ctx.command is not None:
            return NEXT
        member = await ctx.member()
        if member is None or reach(member, SENDERS) is None:
            return NEXT
        # Before the transaction: a large file takes its time, and nobody else shall wait for it.
        new = await broadcasts.files_in(event.adapter, event.message_id)
        if not new:
            await ctx.reply(texts("attachment.not_here"))
            return None
        kept = (*await waiting(broadcasts, member), *new)
        checked(kept)
        state = {"files": [each.model_dump() for each in kept]}
        await dialogues.begin(await ctx.db(), member.id, TOPIC, state)
        lines = [texts("attachment.line", file=file_line(texts, each)) for each in kept]
        drop = Button(label=texts("attachment.drop"), data="files:drop")
        await ctx.reply(texts("attachment.kept", files="\n".join(lines), count=len(kept)), [drop])
        return None

    @router.button("files")
    @kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        member = await asker(ctx, "files")
        if await waiting(broadcasts, member):
            await dialogues.end(await ctx.db(), member.id)
        await ctx.reply(texts("attachment.dropped"))

    return router


async def waiting(broadcasts: Broadcasts, member: Member) -> tuple[Attachment, ...]:
    """The files that wait for this member's next notice."""
    found = await broadcasts.dialogues.find(member.id)
    if found is None or found.topic != TOPIC:
        return ()
    return tuple(Attachment.model_validate(each) for each in found.state["files"])


async def taken(broadcasts: Broadcasts, db: AsyncConnection, member: Member, files: tuple[Attachment, ...]) -> None:
    """The notice has them: they wait for no other."""
    if files:
        await broadcasts.dialogues.end(db, member.id)
