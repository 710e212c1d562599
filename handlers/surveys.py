"""Surveys in the chat: `/アンケート` for everyone who is asked, and for those who run them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from bot.context import Context
from bot.directory import ADMINISTRATOR, HEADQUARTERS, Member
from bot.errors import Refused
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Message
from bot.numbers import numbered
from bot.router import NEXT, Router
from bot.texts import Texts
from broadcasts.audience import select_members
from broadcasts.dialogues import Dialogues
from broadcasts.naming import named, words_in
from handlers.dialogues import answered
from handlers.survey_opening import TOPIC, Opening, drafted, short
from handlers.survey_schedules import CANCEL, line, listing_text, read_plan
from surveys.answering import normal
from surveys.confidential import Told, told
from surveys.definition import OTHER, Definition
from surveys.exports.sheets import written
from surveys.results import Results
from surveys.service import Surveys
from surveys.tabulation import SimpleTable

MAY_MANAGE = frozenset({ADMINISTRATOR, HEADQUARTERS})
WORDS_SHOWN = 10
"""Free texts of one question in a chat message; the exports have them all."""


def build_router(surveys: Surveys, definitions: Mapping[str, Definition], dialogues: Dialogues) -> Router:
    """The commands, buttons and plain answers of surveys; `definitions` are those that may be opened by name."""
    router = Router()
    texts = surveys.texts
    opening = Opening(surveys, dialogues)

    async def member(ctx: Context[MessageReceived] | Context[ButtonPressed]) -> Member:
        found = await ctx.member()
        if found is None:
            raise Refused("survey.stranger")
        return found

    async def manager(ctx: Context[MessageReceived] | Context[ButtonPressed]) -> Member:
        found = await member(ctx)
        if found.roles.isdisjoint(MAY_MANAGE):
            raise Refused("survey.manage.refused")
        return found

    def known(name: str) -> Definition:
        if name in definitions:
            return definitions[name]
        for definition in definitions.values():
            if normal(definition.title) == normal(name):
                return definition
        raise Refused("survey.manage.unknown_definition", name=name[:50], names=listed(definitions))

    @router.command("アンケート", "survey", help=texts("survey.manage.help"), also=("あんけーと",))
    async def survey(ctx: Context[MessageReceived]) -> None:
        if not ctx.event.direct:
            await ctx.reply(texts("survey.only_in_pair_talk"))
            return
        action, rest = (*normal(ctx.arguments).split(maxsplit=1), "", "")[:2]
        match action.casefold(), rest:
            case "", _:
                person = await member(ctx)
                await _say(ctx, await surveys.conversation.start(await ctx.db(), person.id))
            case "開始" | "open" | "start", str(wish) if wish:
                person = await manager(ctx)
                name, rest = (*wish.split(maxsplit=1), "")[:2]
                await opening.show(ctx, person, known(name), await words_in(await ctx.db(), rest))
            case "開始" | "open" | "start", _:
                await manager(ctx)
                await ctx.reply(texts("survey.opening.which", names=listed(definitions)))
            case "作成" | "poll", str(wish) if wish:
                person = await manager(ctx)
                await opening.show(ctx, person, *drafted(ctx.arguments.strip().split(maxsplit=1)[1]))
            case "予約" | "schedule", str(wish):
                await schedule(ctx, wish)
            case "結果" | "results", str(word) if (number := numbered(word)) is not None:
                await manager(ctx)
                await ctx.reply(results_text(texts, await surveys.results(number)))
            case "回答" | "answers", str(wish) if wish:
                await read_answers(ctx, wish)
            case "締切" | "〆切" | "close", str(word) if (number := numbered(word)) is not None:
                person = await manager(ctx)
                closed = await surveys.close(await ctx.db(), number, actor=person.code)
                await ctx.reply(
                    texts(
                        "survey.manage.closed",
                        id=closed.id,
                        title=closed.title,
                        respondents=closed.respondents,
                        asked=closed.asked,
                    )
                )
            case _:
                await ctx.reply(texts("survey.manage.usage"))

    async def read_answers(ctx: Context[MessageReceived], wish: str) -> None:
        reader = await member(ctx)
        word, rest = (*wish.split(maxsplit=1), "")[:2]
        number = numbered(word)
        parts = [part for part in re.split("[、,]", rest) if part.strip()]
        db = await ctx.db()
        names = [name.lstrip("@") for part in parts for name in await words_in(db, part) if name.strip("@")]
        if number is None:
            raise Refused("survey.manage.owner_only", id=word)
        of: list[int] | None = None
        if names:
            wanted = await named(db, names)
            of = [row.id for row in await db.execute(select_members(wanted))]
        definition, found = await told(db, ctx.clock, surveys.vault, number, reader=reader, of=of)
        await ctx.reply(answers_text(texts, definition, found))

    async def schedule(ctx: Context[MessageReceived], wish: str) -> None:
        person, db = await manager(ctx), await ctx.db()
        match wish.split(maxsplit=1):
            case []:
                await ctx.reply(listing_text(texts, await surveys.schedules.listing(db)))
            case [verb, word] if verb.casefold() in CANCEL and (number := numbered(word)) is not None:
                ended = await surveys.schedules.cancel(db, number, actor=person.code)
                await ctx.reply(texts("survey.schedule.cancelled", id=ended.id, title=ended.plan.definition.title))
            case [name, *words]:
                plan = read_plan(known(name), await words_in(db, " ".join(words)), ctx.clock.now())
                reserved = await surveys.schedules.reserve(db, plan, owner=person, actor=person.code)
                ctx.after_commit(surveys.ring)
                await ctx.reply("\n".join([texts("survey.schedule.reserved"), line(texts, reserved)]))

    @router.button("survey")
    async def pressed(ctx: Context[ButtonPressed]) -> None:
        person = await member(ctx)
        await _say(ctx, await surveys.conversation.press(await ctx.db(), person.id, ctx.arguments))

    @router.button(TOPIC)
    async def decided(ctx: Context[ButtonPressed]) -> None:
        answer, _, shown = ctx.arguments.partition(":")
        await opening.answer(ctx, await manager(ctx), answer, shown)

    @router.on(MessageReceived)
    async def decided_in_words(ctx: Context[MessageReceived]) -> object:
        answer = opening.typed(ctx.event.text)
        if answer is None or await answered(ctx, dialogues, TOPIC) is None:
            return NEXT
        await opening.answer(ctx, await manager(ctx), answer, None)
        return None

    @router.on(MessageReceived)
    async def heard(ctx: Context[MessageReceived]) -> object:
        if ctx.command is not None or not ctx.event.direct or not ctx.event.text.strip():
            return NEXT
        person = await ctx.member()
        if person is None:
            return NEXT
        reply = await surveys.conversation.hear(await ctx.db(), person.id, ctx.event.text)
        if reply is None:
            return NEXT
        await _say(ctx, reply)
        return None

    return router


def listed(definitions: Mapping[str, Definition]) -> str:
    """What may be opened, a line each: its name and its title."""
    return "\n".join(f"・{name}　{definitions[name].title}" for name in sorted(definitions))


def answers_text(texts: Texts, definition: Definition, found: Sequence[Told]) -> str:
    """What people answered, for the owner of a confidential survey: a name, then each question with its answer."""
    lines = [texts("survey.told.title", title=definition.title, count=len(found))]
    for person in found:
        lines += ["", texts("survey.told.person", name=person.name)]
        for step in definition.steps:
            answer = written(step, person.sheet.get(step.key)) or texts("survey.results.blank")
            other = person.sheet.get(step.key + OTHER)
            lines.append(texts("survey.told.answer", text=step.text, answer=f"{answer} {other or ''}".strip()))
    return short("\n".join(lines))


def results_text(texts: Texts, results: Results) -> str:
    """Results as a message: participation, then each question with counts and shares."""
    if results.state == "open" and results.anonymity != "named":
        later = f"survey.manage.results_later_{results.anonymity}"
        return texts(later, title=results.title, respondents=results.respondents, asked=results.asked)
    lines = [
        texts("survey.results.title", title=results.title),
        texts(
            "survey.results.summary",
            respondents=results.respondents,
            asked=results.asked,
            share=_percent(results.respondents / results.asked if results.asked else None),
        ),
    ]
    for table in results.tables:
        lines += ["", *_table_lines(texts, table)]
    return short("\n".join(lines))


def _table_lines(texts: Texts, table: SimpleTable) -> Iterator[str]:
    yield texts("survey.results.question", text=table.text)
    for row in table.rows:
        if row.count is None:
            yield texts("survey.results.hidden", label=row.label)
        else:
            yield texts("survey.results.row", label=row.label, count=row.count, share=_percent(row.share))
    if table.blank is None:
        yield texts("survey.results.hidden", label=texts("survey.results.blank"))
    elif table.blank and table.asked:
        share = _percent(table.blank / table.asked)
        yield texts("survey.results.row", label=texts("survey.results.blank"), count=table.blank, share=share)
    if table.mean is not None and table.median is not None:
        yield texts("survey.results.mean", mean=f"{table.mean:.2f}", median=f"{table.median:g}")
    if table.words:
        yield texts("survey.results.words", count=len(table.words))
        yield from (f"・{words}" for words in table.words[:WORDS_SHOWN])
        if len(table.words) > WORDS_SHOWN:
            yield texts("survey.results.more", count=len(table.words) - WORDS_SHOWN)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


async def _say(ctx: Context[MessageReceived] | Context[ButtonPressed], message: Message) -> None:
    await ctx.reply(message.text, message.buttons, message.reference, typed="own")
