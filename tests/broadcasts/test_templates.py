"""Templates: what a file must say, how variables are read, and a notice made by answering questions in the chat."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from bot.clock import TOKYO
from bot.directory import HEADQUARTERS, SENDER, Entry
from bot.errors import Refused
from bot.router import Router
from bot.tables import departments, member_roles, members
from bot.testing.harness import Harness
from bot.testing.platform import SentMessage
from bot.texts import Texts
from broadcasts import validation
from broadcasts.service import Broadcasts
from broadcasts.tables import broadcasts as notices
from broadcasts.templates import Field, Sender, Template, TemplateError, load_template, load_templates
from handlers import broadcasts as broadcast_handlers
from handlers import templates as template_handlers

SHIPPED = Path(__file__).parents[2] / "config" / "templates"
NOW = datetime(2023, 12, 4, 9, 5, tzinfo=TOKYO)  # a Monday
MINIMAL = 'name = "連絡"\ntext = "{area}です。"\n\n[[fields]]\nname = "area"\nlabel = "地域"\n'


def write(folder: Path, text: str, name: str = "one.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


# ------------------------------------------------------------------- loading


def test_the_templates_that_come_along_are_whole() -> None:
    found = load_templates(SHIPPED)
    assert {"hinan-3", "hinan-4", "hinan-5", "hinanjo", "sanshu", "anpi", "kunren", "teiden", "heisa", "system"} <= set(
        found
    )
    kinds = [template.kind for template in found.values()]
    assert kinds == sorted(kinds, key=lambda kind: kind != "emergency")
    assert found["kunren"].kind == "drill"
    assert found["sanshu"].fields[0].kind == "stage"


@pytest.mark.parametrize("template", load_templates(SHIPPED).values(), ids=lambda each: each.key)
def test_a_template_that_comes_along_becomes_a_notice_that_may_be_sent(template: Template) -> None:
    sender = Sender("青木 花子", "危機管理課", NOW)
    written = {"text": "川原町", "number": "3", "time": "9:00", "date": "明日", "moment": "明日 9:00"}
    values = {
        field.name: field.suggestion(sender) or field.read(written.get(field.kind) or field.options[0], NOW)
        for field in template.fields
    }
    text = template.fill(values)
    assert validation.check(text) == []
    assert template.fill({**values, **{field.name: "" for field in template.fields if not field.required}})
    question = template.question(values)
    assert (question and question.asks) == template.asks


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name = ", "one.toml: not valid TOML"),
        (MINIMAL + 'color = "red"\n', "one.toml: fields[1].color"),
        (MINIMAL.replace('label = "地域"', ""), "one.toml: fields[1].label"),
        (MINIMAL.replace("{area}", "{place}"), "one.toml: text: {place} is declared in no"),
        (MINIMAL.replace("{area}", "ここ"), "one.toml: fields: area does not stand in the text"),
        (MINIMAL + '[[fields]]\nname = "area"\nlabel = "地域"\n', "one.toml: fields: area is declared twice"),
        (MINIMAL + 'kind = "choice"\n', "one.toml: fields[1]: choices: give them for"),
        (MINIMAL + 'choices = ["a"]\n', "one.toml: fields[1]: choices: give them for"),
        (MINIMAL + 'kind = "choice"\nchoices = ["a", "a"]\n', "choices: one of them stands there twice"),
        (MINIMAL + 'kind = "choice"\nchoices = [""]\n', "choices: each needs 1 to"),
        (MINIMAL + 'kind = "level"\nchoices = ["6"]\n', "choices: 6 is none of 1, 2, 3, 4, 5"),
        (MINIMAL + 'kind = "number"\nat_least = 5\nat_most = 4\n', "at_least: larger than at_most"),
        (MINIMAL + 'kind = "time"\ndefault = "25:00"\n', "default: '25:00' is no value of the kind time"),
        (MINIMAL + 'default = "{now}"\n', "default: {now} is for the kinds time, date and moment"),
        (MINIMAL + 'kind = "stage"\n', 'one.toml: stage: only a template that asks = "muster"'),
        ('asks = "muster"\nstage = 2\n' + MINIMAL + 'kind = "stage"\n', "stage: the variable area decides it already"),
        ('asks = "choice"\n' + MINIMAL, "choices: give two or more"),
        ('asks = "choice"\nchoices = ["一つ"]\n' + MINIMAL, "choices: two or more different ones"),
        ('asks = "anything"\n' + MINIMAL, "one.toml: asks"),
        ('without = ["税務課"]\n' + MINIMAL, "without: name the audience"),
        ('key = "two"\n' + MINIMAL, "one.toml: key: the file's name is the key"),
        (MINIMAL.replace("です", "パスワードは abcd1234"), "one.toml: text: it holds what no notice may hold"),
        (
            'asks = "muster"\n' + MINIMAL + 'kind = "stage"\n[[fields]]\nname = "b"\nlabel = "b"\nkind = "stage"\n',
            "fields: b is a second stage",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_named_by_file_and_field(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(TemplateError) as caught:
        load_template(write(tmp_path, text))
    assert fault in str(caught.value)


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL, "a.toml")
    write(tmp_path, MINIMAL, "b.toml")
    write(tmp_path, 'name = "x"\n', "c.toml")
    (tmp_path / "d.toml").write_bytes(b"\xff")
    write(tmp_path, MINIMAL + "#" * 100_001, "e.toml")
    write(tmp_path, "no template at all", "readme.txt")
    with pytest.raises(TemplateError) as caught:
        load_templates(tmp_path)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["b.toml", "c.toml", "d.toml", "e.toml"]
    with pytest.raises(TemplateError, match="cannot be read"):
        load_templates(tmp_path / "nowhere")
    with pytest.raises(TemplateError, match="cannot be read"):
        load_template(tmp_path / "nowhere.toml")


# ----------------------------------------------------------------- variables


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("time", "１９：３０", "19時30分"),
        ("time", "19時半", "19時30分"),
        ("time", "7時", "7時00分"),
        ("time", "7時5分", "7時05分"),
        ("time", "いま", "9時05分"),
        ("date", "12/5", "12月5日（火）"),
        ("date", "2024年2月29日", "2月29日（木）"),
        ("date", "あす", "12月5日（火）"),
        ("date", "1月5日", "1月5日（金）"),  # the coming January
        ("date", "今日", "12月4日（月）"),
        ("moment", "明日 9:00", "12月5日（火）9時00分"),
        ("moment", "12月5日19時半", "12月5日（火）19時30分"),
        ("moment", "18時", "12月4日（月）18時00分"),
        ("moment", "now", "12月4日（月）9時05分"),
        ("moment", "12月5日（火）9時00分", "12月5日（火）9時00分"),
        ("level", "警戒レベル４", "4"),
        ("level", "レベル3", "3"),
        ("stage", "第２配備", "2"),
        ("stage", "3", "3"),
        ("number", "１，２００", "1200"),
        ("text", " 川原町\n中島 ", "川原町\n中島"),
    ],
)
def test_people_write_as_they_like(kind: str, written: str, value: str) -> None:
    field = Field.model_validate({"name": "x", "label": "x", "kind": kind})
    assert field.read(written, NOW) == value


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("time", "25:00"),
        ("time", "夕方"),
        ("date", "2月30日"),
        ("date", "来週"),
        ("moment", "明日"),
        ("moment", "13月1日 9:00"),
        ("level", "6"),
        ("level", "高い"),
        ("stage", "第4配備"),
        ("number", "三つ"),
        ("number", "11"),
        ("text", "  "),
        ("text", "あ" * 301),
    ],
)
def test_what_cannot_be_read_is_refused_with_how_to_write_it(kind: str, written: str) -> None:
    field = Field.model_validate({"name": "x", "label": "人数", "kind": kind, "at_most": 10})
    with pytest.raises(Refused) as caught:
        field.read(written, NOW)
    said = Texts("broadcasts.templates")(caught.value.key, **caught.value.values)
    assert "人数" in said


def test_a_choice_is_taken_by_its_words_or_its_number() -> None:
    field = Field(name="x", label="x", kind="choice", choices=("停電", "断水", "ABC"))
    assert [field.read(words, NOW) for words in ("断水", "１", "abc")] == ["断水", "停電", "ABC"]
    for words in ("4", "0", "火事"):
        with pytest.raises(Refused):
            field.read(words, NOW)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)), st.sampled_from(["time", "date"]))  # noqa: DTZ001 - hypothesis wants them naive
def test_what_a_value_looks_like_can_be_written_again(now: datetime, kind: str) -> None:
    field = Field.model_validate({"name": "x", "label": "x", "kind": kind})
    value = field.read("いま", now.replace(tzinfo=TOKYO))
    assert field.read(value, now.replace(tzinfo=TOKYO)) == value


def test_a_default_takes_the_moment_and_the_sender() -> None:
    sender = Sender("青木 花子", "危機管理課", NOW)

    def suggested(kind: str, default: str) -> str:
        return Field.model_validate({"name": "x", "label": "x", "kind": kind, "default": default}).suggestion(sender)

    assert suggested("moment", "{now}") == "12月4日（月）9時05分"
    assert suggested("text", "{department}（{sender}）") == "危機管理課（青木 花子）"
    assert suggested("text", "市役所") == "市役所"
    assert suggested("text", "") == ""


def template(**more: object) -> Template:
    fields = [{"name": "area", "label": "地域"}, {"name": "more", "label": "ほか", "required": False}]
    return Template.model_validate(
        {"key": "k", "name": "n", "text": "場所：{area}\nほか：{more}\n以上", "fields": fields, **more}
    )


def test_an_empty_mandatory_variable_blocks_and_an_empty_optional_one_takes_its_line_along() -> None:
    assert template().fill({"area": "川原町", "more": ""}) == "場所：川原町\n以上"
    for values in ({}, {"area": " "}, {"more": "x"}):
        with pytest.raises(Refused, match=r"template\.unfilled"):
            template().fill(values)


def test_a_value_is_never_read_as_a_variable_again() -> None:
    assert template().fill({"area": "{more}", "more": "x"}) == "場所：{more}\nほか：x\n以上"


# ---------------------------------------------------------------- in the chat


def entry(code: str, department: str, *roles: str) -> Entry:
    return Entry(code, f"職員{code}", department, roles=roles, addresses={"fake": code})


PEOPLE = [entry("hq", "危機管理課", HEADQUARTERS), entry("sub", "税務課"), entry("a", "税務課"), entry("b", "土木課")]


@asynccontextmanager
async def chat(templates: Mapping[str, Template] | None = None) -> AsyncIterator[Harness]:
    services: list[Broadcasts] = []

    def build(harness: Harness) -> Router:
        platform = {harness.platform.name: harness.platform}
        texts = Texts("broadcasts")
        services.append(Broadcasts(harness.database, harness.outbox, platform, harness.clock, harness.activity, texts))
        router = Router()
        router.include(broadcast_handlers.build_router(services[0]))
        chosen = load_templates(SHIPPED) if templates is None else templates
        router.include(template_handlers.build_router(services[0], chosen))
        return router

    async with Harness(build, members=PEOPLE) as harness:
        await services[0].start()
        async with harness.database.transaction() as db:
            ids = {row.code: row.id for row in await db.execute(select(members.c.code, members.c.id))}
            places = {row.name: row.id for row in await db.execute(select(departments.c.name, departments.c.id))}
            limited = {"member_id": ids["sub"], "role": SENDER, "department_id": places["税務課"]}
            await db.execute(insert(member_roles).values(limited))
        try:
            await harness.idle()
            yield harness
        finally:
            await services[0].stop()


def sent(harness: Harness) -> list[SentMessage]:
    return [message for message in harness.sent if (message.reference or "").startswith("broadcast:")]


async def test_a_muster_is_made_by_answering_questions_and_sent_as_any_notice() -> None:
    async with chat() as harness:
        listed = await harness.say("hq", "/定型")
        assert "参集（緊急）配備の段階を決めて" in listed.text
        stage = (await harness.press("hq", listed, "参集"))[-1]
        assert "(1/5) 配備の段階" in stage.text
        assert [button.label for button in stage.buttons] == ["第1配備", "第2配備", "第3配備", "もどる", "やめる"]
        reason = (await harness.press("hq", stage, "第2配備"))[-1]
        assert "(2/5) 理由" in reason.text
        place = await harness.say("hq", "大雨警報が出た")
        until = (await harness.press("hq", place, "自分の課"))[-1]
        wrong = await harness.post("hq", "夕方ごろ")
        assert "日時を読み取れませんでした" in wrong[0].text
        assert "(4/5)" in wrong[1].text
        contact = await harness.say("hq", "今日 18時")
        assert until.text in wrong[1].text
        seen = (await harness.press("hq", contact, "危機管理課"))[-1]
        assert "宛先：4人" in seen.text
        assert "理由：大雨警報が出た" in seen.text
        assert "集まる時刻：7月3日（月）18時00分までに" in seen.text
        assert sent(harness) == []
        await harness.press("hq", seen, "送信する")
        assert {"参集する", "参集できない"} <= {button.label for button in sent(harness)[0].buttons}
        assert "第2配備です。配備表に" in sent(harness)[0].text
        async with harness.database.snapshot() as db:
            row = (await db.execute(select(notices))).one()
        assert (row.kind, row.asks, row.stage) == ("emergency", "muster", 2)
        assert await harness.post("hq", "ありがとう") == []  # nothing is being asked any more


async def test_one_can_go_back_leave_out_and_cancel() -> None:
    async with chat() as harness:
        await harness.say("hq", "/template 安否確認")
        second = await harness.say("hq", "10時")
        assert "(2/4) 起きたこと" in second.text
        first = await harness.say("hq", "もどる")
        assert "(1/4) 起きた時刻" in first.text
        second = await harness.say("hq", "11時")
        third = await harness.say("hq", "震度5強の地震")
        assert "なくてもよい" in third.text
        stale = await harness.press("hq", second, "もどる")
        assert "前の質問" in stale[0].text
        assert "(3/4)" in stale[1].text
        fourth = (await harness.press("hq", third, "書かない"))[-1]
        third = (await harness.press("hq", fourth, "もどる"))[-1]
        fourth = await harness.say("hq", "なし")
        seen = await harness.say("hq", "危機管理課")
        assert "7月3日（月）11時00分ごろ、震度5強の地震がありました。" in seen.text
        await harness.say("hq", "/定型 5")
        assert "何も送っていません" in (await harness.say("hq", "やめる")).text
        assert "いま作っている定型の連絡はありません" in (await harness.press("hq", fourth, "やめる"))[-1].text
        assert "いま作っている定型の連絡はありません" in (await harness.press("hq", fourth, "もどる"))[-1].text
        first = await harness.say("hq", "/定型 anpi")
        listed = (await harness.press("hq", first, "もどる"))[-1]
        assert "番号か名前" in listed.text


async def test_the_list_has_pages_and_takes_a_number_or_part_of_a_name() -> None:
    async with chat() as harness:
        listed = await harness.say("hq", "/定型")
        assert len(listed.buttons) == 10
        second = (await harness.press("hq", listed, "つづき"))[-1]
        assert "9. 避難" not in listed.text
        assert "9. " in second.text
        again = (await harness.press("hq", second, "つづき"))[-1]
        assert again.text == listed.text
        assert "(1/5) 出した時刻" in (await harness.say("hq", "レベル4")).text
        assert "という定型はありません" in (await harness.say("hq", "/定型 雪かき")).text
        assert "定型がいくつかあります" in (await harness.say("hq", "/定型 警戒レベル")).text  # three of them


async def test_any_template_can_be_a_drill() -> None:
    async with chat() as harness:
        listed = await harness.say("hq", "/定型 訓練")
        assert "訓練として" in listed.text
        await harness.press("hq", listed, "警戒レベル5 緊急安全確保")
        for words in ("10時", "川原町", "堤防がこわれた"):
            await harness.say("hq", words)
        seen = await harness.say("hq", "危機管理課")
        assert "【訓練】これは訓練です。\n【警戒レベル5】" in seen.text


async def test_whoever_may_not_send_to_all_is_asked_to_whom() -> None:
    async with chat() as harness:
        await harness.say("sub", "/定型 警戒レベル3")
        for words in ("9時", "川原町", "大雨", "中央小学校"):
            await harness.say("sub", words)
        asked = await harness.say("sub", "税務課")
        assert "だれに送りますか" in asked.text
        assert [button.label for button in asked.buttons] == ["税務課", "もどる", "やめる"]
        unknown = await harness.post("sub", "@どこか課")
        assert "見つかりません" in unknown[0].text
        assert "だれに送りますか" in unknown[1].text
        refused = await harness.say("sub", "@土木課")
        assert "送れる範囲（税務課）の外" in refused.text
        seen = (await harness.press("sub", asked, "税務課"))[-1]
        assert "宛先：2人" in seen.text
        assert "承認を依頼する" in [button.label for button in seen.buttons]


async def test_a_template_without_an_audience_asks_for_one() -> None:
    async with chat({"k": template()}) as harness:
        await harness.say("hq", "/定型 n")
        await harness.say("hq", "川原町")
        asked = await harness.say("hq", "なし")
        nobody = await harness.post("hq", "-@土木課")
        assert "だれに送りますか" in nobody[-1].text
        assert asked.text == nobody[-1].text
        seen = await harness.say("hq", "全職員 -@土木課")
        assert "宛先：3人" in seen.text


async def test_a_value_that_must_not_be_sent_stops_the_draft_and_can_be_mended() -> None:
    async with chat({"k": template(audience=["全職員"])}) as harness:
        await harness.say("hq", "/定型 n")
        await harness.say("hq", "パスワードは abcd1234 です")
        refused = await harness.say("hq", "なし")
        assert "パスワード" in refused.text
        asked = await harness.say("hq", "もどる")
        assert "(1/2) 地域" in asked.text
        await harness.say("hq", "川原町")
        assert "宛先：4人" in (await harness.say("hq", "なし")).text


async def test_strangers_and_plain_staff_are_refused_and_a_question_is_forgotten_after_a_day() -> None:
    async with chat() as harness:
        assert "災害対策本部の担当者だけ" in (await harness.say("a", "/定型")).text
        await harness.say("hq", "/定型 anpi")
        await harness.advance(timedelta(days=1))
        assert await harness.post("hq", "10時") == []


async def test_without_templates_it_says_so() -> None:
    async with chat({}) as harness:
        assert "まだありません" in (await harness.say("hq", "/定型")).text


async def test_a_template_that_was_taken_away_is_said_to_be_gone() -> None:
    templates = {"k": template()}
    async with chat(templates) as harness:
        listed = await harness.say("hq", "/定型")
        await harness.press("hq", listed, "n")
        templates.clear()
        assert "使えなくなりました" in (await harness.press("hq", listed, "n"))[-1].text
        assert "使えなくなりました" in (await harness.say("hq", "川原町")).text
