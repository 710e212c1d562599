"""`/既読`: who has read, for the whole city or for the departments for which somebody may ask."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.context import Context
from bot.directory import Member
from bot.errors import Forbidden, Refused
from bot.events import MessageReceived
from bot.folding import fold
from bot.numbers import typed_number
from bot.router import Router
from broadcasts import show, tree
from broadcasts.audience import Departments, Everyone
from broadcasts.naming import UnknownName, named, words_in
from broadcasts.report import Status
from broadcasts.rights import READERS, reach
from broadcasts.service import Broadcasts
from broadcasts.tree import Branch
from handlers.kindly import asker, kindly
from handlers.overview import reply_overview

UNREAD = frozenset(map(fold, ("未読", "みどく", "ミドク", "未読者", "未読の人", "未読一覧", "unread")))
LISTING = frozenset(map(fold, ("一覧", "いちらん", "リスト", "list")))
_RUN_TOGETHER = re.compile(r"([#＃]?(?:No\.?|番号)?\d+(?:番|号)?)の?(未読|みどく|ミドク|ﾐﾄﾞｸ)", re.IGNORECASE)


def build_router(broadcasts: Broadcasts) -> Router:
    """One command."""
    router = Router()
    texts = broadcasts.texts

    @router.command("既読", "read", help=texts("help.read"), also=("きどく",), roles=READERS)
    @kindly(texts)
    async def follow(ctx: Context[MessageReceived]) -> None:
        member = await asker(ctx, "read")
        if reach(member, READERS) is None:
            raise _forbidden("refused.not_reader", member, 0)
        said = _RUN_TOGETHER.sub(r"\1 \2", ctx.arguments)
        words = [word for word in await words_in(await ctx.db(), said) if word not in ("番", "番号", "の", "#")]
        if len(words) == 1 and fold(words[0]) in LISTING:
            await reply_overview(ctx, broadcasts, member, "sent", 0)
            return
        numbers = [number for word in words if (number := typed_number(word)) is not None]
        names_wanted = any(fold(word) in UNREAD for word in words)
        places = [word.lstrip("@＠") for word in words if typed_number(word) is None and fold(word) not in UNREAD]
        if len(numbers) > 1 or len(places) > 1:
            await ctx.reply(texts("read.usage"))
            return
        number = numbers[0] if numbers else await broadcasts.latest(member)
        if number is None:
            await ctx.reply(texts("read.none" if await known(ctx, places) else "read.usage"))
            return
        status = await broadcasts.status(number)
        tops = within_reach(status, member)
        if places:
            tops = [one_place(status, places[0], member, tops)]
        if tops is not None:
            for top in tops:
                await reply_place(ctx, status, top, names_wanted)
            return
        unread = await broadcasts.unread(number) if names_wanted else None
        for part in show.status(texts, status, unread, broadcasts.text_length):
            await ctx.reply(part)

    async def known(ctx: Context[MessageReceived], places: Sequence[str]) -> bool:
        """Whether the words after the command name places at all; a slip of the hand names none."""
        try:
            await named(await ctx.db(), places)
        except UnknownName:
            return False
        return True

    async def reply_place(ctx: Context[MessageReceived], status: Status, top: Branch, names_wanted: bool) -> None:
        within = [branch.id for branch in tree.subtree(status.departments, top)]
        unread = await broadcasts.unread(status.id, within) if names_wanted else None
        for part in show.place(texts, status, top, unread, broadcasts.text_length):
            await ctx.reply(part)

    return router


def within_reach(status: Status, member: Member) -> list[Branch] | None:
    """The departments of a notice that a member may look into; None: all of it, as of everything they wrote.

    Raises `Forbidden` if there is none.
    """
    right = reach(member, READERS)
    if isinstance(right, Everyone) or status.author_id == member.id:
        return None
    limits = right.ids if isinstance(right, Departments) else ()
    inside = [branch for branch in status.departments if branch.id in limits]
    # Of two limits of which one lies in the other, the upper one shows both.
    tops = [each for each in inside if not any(each is not top and _below(each, top) for top in inside)]
    if not tops:
        raise _forbidden("refused.read_outside", member, status.id, id=status.id)
    return tops


def one_place(status: Status, name: str, member: Member, tops: Sequence[Branch] | None) -> Branch:
    """The department of a notice that somebody names. Raises `Refused`, `Forbidden` outside of `tops`."""
    meant = tree.found(status.departments, name)
    if tops is not None:
        outside, meant = meant, [each for each in meant if any(_below(each, top) for top in tops)]
        if outside and not meant:
            raise _forbidden("refused.read_place", member, status.id, name=name)
    if len(meant) > 1:
        names = " / ".join("/".join(each.path) for each in meant)
        raise Refused("refused.ambiguous_name", name=name, names=names)
    if not meant:
        raise Refused("refused.unknown_name", name=name)
    return meant[0]


def _below(branch: Branch, top: Branch) -> bool:
    return branch.path[: len(top.path)] == top.path


def _forbidden(key: str, member: Member, number: int, **values: object) -> Forbidden:
    subject = f"broadcast:{number}" if number else "broadcast"
    return Forbidden(key, actor=member.code, action="broadcast.read", subject=subject, **values)
