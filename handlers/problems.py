"""`/不具合 …`: staff say what is wrong in their own words, and those who see to it list, answer and close it."""

from __future__ import annotations

import re
import unicodedata

from bot import spoken
from bot.context import Context
from bot.directory import Member
from bot.errors import Refused
from bot.events import MessageReceived
from bot.numbers import typed_number
from bot.router import NEXT, Router
from bot.texts import Texts
from broadcasts.condition import condition
from broadcasts.dialogues import Dialogues
from broadcasts.problems import SEE_TO, SHOWN_LENGTH, Problems, one, require, shown
from broadcasts.questions import NEEDS_HELP
from broadcasts.service import Broadcasts
from broadcasts.show import pages
from handlers.dialogues import answered
from handlers.kindly import kindly
from handlers.unslashed import unslashed

TOPIC = "problem"
LIST = frozenset({"一覧", "いちらん", "リスト", "list"})
EVERYTHING = frozenset({"全部", "すべて", "全て", "ぜんぶ", "all"})
ANSWER = frozenset({"返事", "へんじ", "返信", "回答", "答え", "answer", "reply"})
CLOSE = frozenset({"済", "済み", "すみ", "完了", "解決", "終了", "close", "closed", "done"})
_RUN_TOGETHER = re.compile(
    rf"(\D*\d+\D*?)\s*({'|'.join(sorted(ANSWER | CLOSE, key=len, reverse=True))})$", re.IGNORECASE
)
_LIKE = re.compile(r"\s*[「『]?(?:不具合|ふぐあい|フグアイ|不ぐあい)")


def build_router(texts: Texts, problems: Problems, dialogues: Dialogues, *, text_length: int) -> Router:
    """The command for everybody and, with words of their own, for those who see to it; `texts` includes `bot`."""
    router = Router()

    async def keep(ctx: Context[MessageReceived], member: Member, words: str) -> None:
        number, told = await problems.report(await ctx.db(), member, words, at=ctx.event.occurred_at)
        await ctx.reply(texts("problem.thanks" if told else "problem.thanks_untold", number=number))

    async def see(ctx: Context[MessageReceived], member: Member, *, closed: bool) -> None:
        require(member, "list")
        if not ctx.event.direct:
            raise Refused("problem.pair_talk_only")
        count, found = await problems.listed(await ctx.db(), closed=closed)
        for page in pages(shown(texts, count, found, closed=closed), text_length):
            await ctx.reply(page)

    async def see_to(ctx: Context[MessageReceived], member: Member, number: int, verb: str, words: str) -> None:
        require(member, "close" if verb in CLOSE else "answer" if verb else "list", f"problem:{number}")
        if not ctx.event.direct:
            raise Refused("problem.pair_talk_only")
        db = await ctx.db()
        if not verb:
            lines = one(texts, await problems.find(db, number), length=SHOWN_LENGTH)
            for page in pages(lines, text_length):
                await ctx.reply(page)
            return
        report, reached = await problems.answer(db, number, member.code, words, closes=verb in CLOSE)
        done = texts("problem.closed" if verb in CLOSE else "problem.answered", number=number, name=report.name)
        await ctx.reply(done if reached else f"{done}\n{texts('problem.not_reached', name=report.name)}")

    @router.command(
        "不具合", "problem", help=texts("problem.help"), also=("ふぐあい", "フグアイ", "不ぐあい", "problems")
    )
    @kindly(texts)
    async def problem(ctx: Context[MessageReceived]) -> None:
        member = await ctx.member()
        if member is None:
            raise Refused("problem.stranger")
        words = ctx.arguments.strip()
        listing = unicodedata.normalize("NFKC", words).casefold().split()
        order = _order(words)
        if listing and listing[0] in LIST and (len(listing) == 1 or listing[1:] == [*EVERYTHING.intersection(listing)]):
            await see(ctx, member, closed=len(listing) > 1)
        elif order is not None and (order[1] or member.roles & SEE_TO):
            await see_to(ctx, member, *order)
        elif words:
            await keep(ctx, member, words)
        elif not ctx.event.direct:
            await ctx.reply(texts("problem.usage"))
        else:
            await dialogues.begin(await ctx.db(), member.id, TOPIC, {})
            await ctx.reply(texts("problem.ask"))

    return router


def build_conversation(texts: Texts, problems: Problems, broadcasts: Broadcasts, commands: Router) -> Router:
    """What is written after `/不具合` alone; include it before whatever else takes plain words.

    Words of need, and while a question about safety is open all words about how somebody is, are left to those who
    hear them.
    """
    router = Router()
    dialogues = broadcasts.dialogues

    @router.on(MessageReceived)
    async def heard(ctx: Context[MessageReceived]) -> object:
        if await answered(ctx, dialogues, TOPIC) is None:
            return NEXT
        member = await ctx.member()
        words = ctx.event.text.strip()
        found = condition(words)
        if member is None or unslashed(commands, words):
            return NEXT
        if found.choice in NEEDS_HELP:
            return NEXT
        about_oneself = found.choice is not None or found.alarming
        if about_oneself and await broadcasts.responses.waits_for(member, ctx.event.occurred_at):
            return NEXT
        db = await ctx.db()
        await dialogues.end(db, member.id)
        if spoken.folded(words) in spoken.NO:
            await ctx.reply(texts("problem.left"))
            return None
        number, told = await problems.report(db, member, words, at=ctx.event.occurred_at)
        await ctx.reply(texts("problem.thanks" if told else "problem.thanks_untold", number=number))
        return None

    return router


def looks_like_a_report(text: str) -> bool:
    """Whether somebody who forgot the slash wants to report a problem (不具合が出ています, ふぐあい)."""
    return _LIKE.match(unicodedata.normalize("NFKC", text)) is not None


def _order(words: str) -> tuple[int, str, str] | None:
    """The number, what to do (empty: show it), the words of 「3 返事 …」, 「#3 済」, 「済 3」; None if it is none."""
    first, _, rest = words.replace("\u3000", " ").partition(" ")
    plain = unicodedata.normalize("NFKC", first).casefold()
    if (together := _RUN_TOGETHER.fullmatch(plain)) is not None:
        number = typed_number(together[1])
        return None if number is None else (number, together[2], rest.strip())
    if plain in ANSWER | CLOSE:
        second, _, rest = rest.strip().partition(" ")
        number = typed_number(second)
        return None if number is None else (number, plain, rest.strip())
    number = typed_number(first)
    if number is None:
        return None
    verb, _, rest = rest.strip().partition(" ")
    head, _, more = verb.partition("\n")
    word = unicodedata.normalize("NFKC", head).casefold().rstrip(":、。")
    if word in ANSWER | CLOSE:
        return number, word, f"{more} {rest}".strip()
    return None if verb else (number, "", "")
