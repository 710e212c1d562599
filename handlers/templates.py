"""`/定型`: a notice made from a template, one question after the other, and then previewed like any other draft."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import select

from bot.context import Context
from bot.directory import Member
from bot.errors import Refused
from bot.events import ButtonPressed, MessageReceived
from bot.messages import Button, Typed
from bot.numbers import numbered
from bot.router import NEXT, Router
from bot.tables import departments
from bot.texts import Texts
from broadcasts.audience import Departments, Everyone
from broadcasts.naming import named, words_in
from broadcasts.rights import SENDERS, reach
from broadcasts.service import Broadcasts
from broadcasts.show import pages
from broadcasts.templates import Field, Sender, Template
from handlers.dialogues import answered
from handlers.kindly import Asked, kindly, reply_pages, sender
from handlers.previewing import reply_preview

TOPIC = "template"
ON_A_PAGE = 8
"""Templates with a button; ten buttons with those to go on and to cancel."""
LABEL_LENGTH = 40
DRILL = frozenset({"訓練", "drill"})
BACK = frozenset({"もどる", "戻る", "back"})
CANCEL = frozenset({"やめる", "取消", "cancel"})
SKIP = frozenset({"書かない", "なし", "leave out", "skip"})


@dataclass(slots=True)
class State:
    """How far somebody has come: `values` are those of the first variables, in their order.

    Without a `key` the list is open. `value` number n answers question n, so a button names the question it was for.
    """

    key: str = ""
    drill: bool = False
    values: list[str] = field(default_factory=list)


def build_router(broadcasts: Broadcasts, templates: Mapping[str, Template]) -> Router:
    """The command, the buttons under its questions, and the answers in words."""
    router = Router()
    texts = Texts("broadcasts", "broadcasts.templates", language=broadcasts.texts.language)
    dialogues = broadcasts.dialogues
    listed = list(templates.values())

    @router.command("定型", "template", help=texts("template.help"), also=("ていけい",), roles=SENDERS)
    @kindly(texts)
    async def command(ctx: Context[MessageReceived]) -> None:
        member = await sender(ctx, "template")
        words = unicodedata.normalize("NFKC", ctx.arguments).split()
        drill = bool(words) and words[0].casefold() in DRILL
        await choose(ctx, member, " ".join(words[drill:]), drill=drill)

    @router.button("template")
    @kindly(texts)
    async def press(ctx: Context[ButtonPressed]) -> None:
        member = await sender(ctx, "template")
        found = await dialogues.find(member.id)
        state = None if found is None or found.topic != TOPIC else State(**found.state)
        match ctx.arguments.split(":"):
            case ["page", word, drill] if (page := numbered(word)) is not None:
                await show_list(ctx, member, page, drill=drill == "drill")
            case ["start", key, drill]:
                await start(ctx, member, templates.get(key), drill=drill == "drill")
            case ["cancel"]:
                await cancel(ctx, member)
            case [what, at, *rest] if state is not None and state.key and at.isdecimal():
                if numbered(at) != len(state.values):
                    await ctx.reply(texts("template.stale"))
                    await ask(ctx, member, state)
                elif what == "back":
                    await back(ctx, member, state)
                elif what == "skip":
                    await take(ctx, member, state, "")
                elif what == "say" and rest and (chosen := numbered(rest[0])) is not None:
                    offered = await offers(ctx, member, state)
                    await take(ctx, member, state, offered[chosen][1] if chosen < len(offered) else " ")
            case _:
                await ctx.reply(texts("template.nothing_asked"))

    @router.on(MessageReceived)
    @kindly(texts)
    async def said(ctx: Context[MessageReceived]) -> object:
        dialogue = await answered(ctx, dialogues, TOPIC)
        if dialogue is None:
            return NEXT
        member, state = await sender(ctx, "template"), State(**dialogue.state)
        words = ctx.event.text.strip()
        plain = unicodedata.normalize("NFKC", words).casefold()
        if plain in CANCEL:
            await cancel(ctx, member)
        elif not state.key:
            await choose(ctx, member, plain, drill=state.drill)
        elif plain in BACK:
            await back(ctx, member, state)
        else:
            await take(ctx, member, state, "" if plain in SKIP else words)
        return None

    # ------------------------------------------------------------- choosing

    async def choose(ctx: Asked, member: Member, wanted: str, *, drill: bool) -> None:
        if not wanted:
            await show_list(ctx, member, 0, drill=drill)
            return
        found = [each for each in listed if wanted in (each.key, _fold(each.name))]
        if re.fullmatch(r"\d{1,3}", wanted) and 0 < int(wanted) <= len(listed):
            found = [listed[int(wanted) - 1]]
        if not found:
            found = [each for each in listed if _fold(wanted) in _fold(each.name)]
        if not found:
            names = {_fold(each.name): each for each in listed}
            near = difflib.get_close_matches(_fold(wanted), names, n=ON_A_PAGE - 1, cutoff=0.3)
            found = [names[name] for name in near]
            if not found:
                raise Refused("template.no_such", name=wanted)
            await offer(ctx, texts("template.near", name=wanted), found, drill=drill)
            return
        if len(found) > 1:
            await offer(ctx, texts("template.several", name=wanted), found[:ON_A_PAGE], drill=drill)
            return
        await start(ctx, member, found[0], drill=drill)

    async def offer(ctx: Asked, said: str, found: Sequence[Template], *, drill: bool) -> None:
        """Templates that may be meant, each with its button."""
        as_what = "drill" if drill else "own"
        buttons = [
            Button(label=each.name[:LABEL_LENGTH], data=f"template:start:{each.key}:{as_what}") for each in found
        ]
        buttons.append(Button(label=texts("template.cancel"), data="template:cancel"))
        await ctx.reply(said, buttons)

    async def show_list(ctx: Asked, member: Member, page: int, *, drill: bool) -> None:
        if not listed:
            await ctx.reply(texts("template.none"))
            return
        await dialogues.begin(await ctx.db(), member.id, TOPIC, asdict(State(drill=drill)))
        begins = page * ON_A_PAGE if page * ON_A_PAGE < len(listed) else 0
        shown, as_what = listed[begins : begins + ON_A_PAGE], "drill" if drill else "own"
        buttons = [Button(label=each.name, data=f"template:start:{each.key}:{as_what}") for each in shown]
        if len(listed) > ON_A_PAGE:
            following = begins // ON_A_PAGE + 1
            buttons.append(Button(label=texts("template.more"), data=f"template:page:{following}:{as_what}"))
        buttons.append(Button(label=texts("template.cancel"), data="template:cancel"))
        lines = [
            texts("template.line", number=number, name=each.name, kind=texts(f"kind.{each.kind}"), about=each.about)
            for number, each in enumerate(shown, start=begins + 1)
        ]
        # A template's number is its own: on the second page it is not that of its button.
        title = texts("template.title_drill" if drill else "template.title")
        await reply_pages(ctx, pages([title, *lines], broadcasts.text_length), buttons, typed="labels")

    async def start(ctx: Asked, member: Member, template: Template | None, *, drill: bool) -> None:
        if template is None:
            raise Refused("template.gone")
        await ctx.reply(texts("template.begin", name=template.name))
        await go_on(ctx, member, State(template.key, drill))

    async def cancel(ctx: Asked, member: Member) -> None:
        asked = await dialogues.end(await ctx.db(), member.id)
        await ctx.reply(texts("template.cancelled" if asked else "template.nothing_asked"))

    # --------------------------------------------------------------- asking

    async def take(ctx: Asked, member: Member, state: State, words: str) -> None:
        """An answer to the question at which somebody stands; one that cannot be used is asked for again."""
        asked = field_of(state)
        try:
            if asked is None:
                await audience(ctx, member, words)
                value = words
            elif not words and not asked.required:
                value = ""
            else:
                value = asked.read(words, ctx.clock.now())
        except Refused as refusal:
            await ctx.reply(texts(refusal.key, **refusal.values))
            await ask(ctx, member, state)
            return
        state.values.append(value)
        await go_on(ctx, member, state)

    async def back(ctx: Asked, member: Member, state: State) -> None:
        if not state.values:
            await show_list(ctx, member, 0, drill=state.drill)
            return
        state.values.pop()
        await go_on(ctx, member, state)

    async def go_on(ctx: Asked, member: Member, state: State) -> None:
        """The next question, or the preview once there is none left."""
        template = template_of(state)
        if len(state.values) < len(template.fields) + asks_audience(template, member):
            await dialogues.begin(await ctx.db(), member.id, TOPIC, asdict(state))
            await ask(ctx, member, state)
            return
        values = {each.name: value for each, value in zip(template.fields, state.values, strict=False)}
        attached = await broadcasts.tray.find(member.id)
        db = await ctx.db()
        if asks_audience(template, member):
            included, excluded = _names(await words_in(db, state.values[-1].replace("、", " ")))
        else:
            included, excluded = list(template.audience), list(template.without)
        number = await broadcasts.draft(
            db,
            member,
            template.fill(values),
            kind="drill" if state.drill else template.kind,
            audience=await named(db, included, excluded),
            question=template.question(values),
            attachments=attached,
        )
        await dialogues.end(db, member.id)
        await broadcasts.tray.clear(db, member.id)
        await reply_preview(ctx, broadcasts, number, member)

    async def ask(ctx: Asked, member: Member, state: State) -> None:
        template, asked, at = template_of(state), field_of(state), len(state.values)
        total = len(template.fields) + asks_audience(template, member)
        if asked is None:
            lines = [texts("template.ask", number=at + 1, total=total, label=texts("template.ask_audience"))]
        else:
            label = asked.label + ("" if asked.required else texts("template.optional"))
            how = texts(f"template.ask_{asked.kind}", least=asked.at_least, most=asked.at_most)
            lines = [texts("template.ask", number=at + 1, total=total, label=label), asked.hint or how]
        buttons = [
            Button(label=label[:LABEL_LENGTH], data=f"template:say:{at}:{number}")
            for number, (label, _) in enumerate(await offers(ctx, member, state))
        ]
        if asked is not None and not asked.required:
            buttons.append(Button(label=texts("template.skip"), data=f"template:skip:{at}"))
        buttons.append(Button(label=texts("template.back"), data=f"template:back:{at}"))
        buttons.append(Button(label=texts("template.cancel"), data="template:cancel"))
        # Where people write, 3 may be a level or a count of houses.
        chooses = asked is not None and asked.kind == "choice"
        typed: Typed = "choices" if chooses else "labels"
        await reply_pages(ctx, pages(lines, broadcasts.text_length), buttons, typed=typed)

    async def offers(ctx: Asked, member: Member, state: State) -> list[tuple[str, str]]:
        """What one press may say to the question at which somebody stands: (label, answer)."""
        asked = field_of(state)
        if asked is None:
            return await places(ctx, member)
        if asked.kind in ("level", "stage"):
            return [(texts(f"template.{asked.kind}", value=option), option) for option in asked.options]
        if asked.options:
            return [(option, option) for option in asked.options]
        suggested = asked.suggestion(Sender(member.name, member.department, ctx.clock.now()))
        return [(suggested, suggested)] if suggested else []

    # ------------------------------------------------------------- audience

    def asks_audience(template: Template, member: Member) -> bool:
        """The template says to whom, but not everybody who may use it may send to them."""
        return not template.audience or not isinstance(reach(member, SENDERS), Everyone)

    async def audience(ctx: Asked, member: Member, words: str) -> None:
        included, excluded = _names(await words_in(await ctx.db(), words.replace("、", " ")))
        if not included:
            raise Refused("template.bad_text", label=texts("template.ask_audience"))
        await named(await ctx.db(), included, excluded)

    async def places(ctx: Asked, member: Member) -> list[tuple[str, str]]:
        right = reach(member, SENDERS)
        if not isinstance(right, Departments):
            return [(texts("template.everyone"), "@全職員")]
        query = select(departments.c.code, departments.c.name).where(departments.c.id.in_(right.ids))
        rows = (await (await ctx.db()).execute(query.order_by(departments.c.position, departments.c.id))).all()
        return [(row.name, f"@所属:{row.code}") for row in rows[:ON_A_PAGE]]

    # -------------------------------------------------------------- helpers

    def template_of(state: State) -> Template:
        template = templates.get(state.key)
        if template is None or len(state.values) > len(template.fields) + 1:
            raise Refused("template.gone")  # the folder was changed while somebody filled it in
        return template

    def field_of(state: State) -> Field | None:
        """The variable that is asked for; None: the audience."""
        fields = template_of(state).fields
        return fields[len(state.values)] if len(state.values) < len(fields) else None

    return router


def _names(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """「@総務部 税務課 -@収納係」 as names that are meant and names that are not."""
    excluded = [word[2:] for word in words if unicodedata.normalize("NFKC", word[:2]) == "-@"]
    included = [word.lstrip("@＠") for word in words if unicodedata.normalize("NFKC", word[:2]) != "-@"]
    return included, excluded


def _fold(words: Any) -> str:
    return unicodedata.normalize("NFKC", str(words)).casefold()
