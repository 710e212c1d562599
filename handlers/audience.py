"""Who it goes to: `/宛先` names them, `/グループ` keeps the named groups."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from bot import audit, groups
from bot.context import Context
from bot.directory import ADMINISTRATOR, HEADQUARTERS, Member
from bot.errors import Forbidden, Refused
from bot.events import ButtonPressed, MessageReceived
from bot.numbers import numbered, typed_number
from bot.router import Router
from broadcasts.audience import select_members
from broadcasts.naming import AmbiguousName, UnknownName, named, words_in
from broadcasts.rights import SENDERS
from broadcasts.service import Broadcasts
from broadcasts.show import pages
from handlers.kindly import Asked, asker, kindly

KEEPERS = frozenset({HEADQUARTERS, ADMINISTRATOR})
"""Who may change a group: it decides who gets what."""
GROUP_NAME_LENGTH = 40
ACTIONS = {"追加": "add", "除外": "remove", "廃止": "drop"}


def build_router(broadcasts: Broadcasts) -> Router:
    """Two commands, and the buttons under `audience:`."""
    router = Router()
    texts = broadcasts.texts

    @router.command("宛先", "recipients", help=texts("help.recipients"), also=("あてさき",), roles=SENDERS)
    @kindly(texts)
    async def recipients(ctx: Context[MessageReceived]) -> None:
        number = typed_number(ctx.arguments)
        if number is None:
            await ctx.reply(texts("audience.usage"))
            return
        await names(ctx, number)

    @router.button("audience")
    @kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        match ctx.arguments.split(":"):
            case ["names", word] if (number := numbered(word)) is not None:
                await names(ctx, number)
            case _:
                await ctx.reply(texts("refused.broken_button"))

    async def names(ctx: Asked, number: int) -> None:
        member = await asker(ctx, "recipients")
        for page in await broadcasts.people(await ctx.db(), number, member):
            await ctx.reply(page)

    @router.command("グループ", "group", help=texts("help.group"), also=("ぐるーぷ",), roles=KEEPERS)
    @kindly(texts)
    async def group(ctx: Context[MessageReceived]) -> None:
        member, db = await asker(ctx, "group"), await ctx.db()
        words = await words_in(db, ctx.arguments)
        match words:
            case []:
                found = await groups.all_groups(db)
                lines = [texts("group.line", name=each.name, members=each.size) for each in found]
                title = texts("group.title" if found else "group.none")
                for page in pages([title, *lines, "", texts("group.usage")], broadcasts.text_length):
                    await ctx.reply(page)
            case [word] if (name := await groups.known_as(db, word.lstrip("@＠"))) is not None:
                await members_of(ctx, member, name)
            case [("追加" | "add") as how, name, *people] if people and len(name) <= GROUP_NAME_LENGTH:
                if (known := await groups.known_as(db, name)) is None:
                    await free(db, name)
                name = known or name
                count = await groups.add(db, name, await change(db, ctx, member, how, name, people))
                await ctx.reply(texts("group.added", name=name, members=count))
            case [("除外" | "remove") as how, name, *people] if people:
                count = await groups.remove(db, name, await change(db, ctx, member, how, name, people))
                await ctx.reply(texts("group.removed", name=name, members=count))
            case [("廃止" | "drop") as how, name]:
                await change(db, ctx, member, how, name, ())
                await ctx.reply(texts("group.dropped" if await groups.drop(db, name) else "group.unknown", name=name))
            case _:
                await ctx.reply(texts("group.usage"))

    async def free(db: AsyncConnection, name: str) -> None:
        """Raise `Refused` if a name stands for something already: "@総務部" would then mean neither of the two."""
        try:
            await named(db, [name])
        except UnknownName:
            return
        except AmbiguousName:
            pass
        raise Refused("group.name_taken", name=name)

    async def members_of(ctx: Context[MessageReceived], member: Member, name: str) -> None:
        if member.roles.isdisjoint(KEEPERS | SENDERS):
            raise Forbidden(
                "refused.not_headquarters", actor=member.code, action="group.members", subject=f"group:{name}"
            )
        for page in await broadcasts.people_of_group(await ctx.db(), name):
            await ctx.reply(page)

    async def change(
        db: AsyncConnection, ctx: Asked, member: Member, how: str, name: str, people: list[str] | tuple[()]
    ) -> list[int]:
        """The members who are named, once it is sure that this member may change groups; it is written down."""
        subject = f"group:{name}"
        if member.roles.isdisjoint(KEEPERS):
            raise Forbidden("refused.not_headquarters", actor=member.code, action="group.change", subject=subject)
        found: list[int] = []
        if people:
            audience = await named(db, [each.lstrip("@＠") for each in people])
            found = [row.id for row in await db.execute(select_members(audience))]
        action, details = f"group.{ACTIONS.get(how, how)}", {"members": len(found)}
        await audit.append(db, ctx.clock, actor=member.code, action=action, subject=subject, details=details)
        return found

    return router
