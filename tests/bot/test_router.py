"""Commands, buttons and event types find their handlers."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import NEXT, ConfigurationError, Context, Router
from bot.events import ButtonPressed, MemberJoined, MessageRead, MessageReceived
from bot.router import invocation

MOMENT = datetime(2023, 7, 3, tzinfo=UTC)


def message(text: str) -> MessageReceived:
    return MessageReceived(
        adapter="fake",
        key="e1",
        conversation="alice",
        direct=True,
        occurred_at=MOMENT,
        sender="alice",
        message_id="m1",
        text=text,
    )


def button(data: str) -> ButtonPressed:
    return ButtonPressed(
        adapter="fake",
        key="e1",
        conversation="alice",
        direct=True,
        occurred_at=MOMENT,
        sender="alice",
        message_id="m1",
        data=data,
    )


async def first(ctx: Context[Any]) -> object:
    return NEXT


async def second(ctx: Context[Any]) -> None: ...


async def reads(db: Any, events: Any) -> None: ...


@pytest.mark.parametrize(
    ("text", "command", "arguments"),
    [
        ("/ping", "ping", ""),
        ("／ＰＩＮＧ　１２", "ping", "１２"),
        ("  /一斉 【訓練】\n二行目\n", "一斉", "【訓練】\n二行目"),
        ("/一斉\n一行目\n\n三行目", "一斉", "一行目\n\n三行目"),
        ("/既読 12", "既読", "12"),
        ("\u200f/既読\u200b 12", "既読", "12"),
        ("\ufeff／\u2068既読\u2069 \u200f12", "既読", "\u200f12"),
        ("ping", None, ""),
        ("/", None, ""),
        ("/ ping", None, ""),
        ("", None, ""),
        ("　", None, ""),
    ],
)
def test_a_command_is_read_whatever_its_width_and_its_arguments_stay_as_typed(
    text: str, command: str | None, arguments: str
) -> None:
    assert invocation(message(text)) == (command, arguments)


def test_the_arguments_of_a_button_are_what_follows_its_prefix() -> None:
    assert invocation(button("poll:3:yes")) == (None, "3:yes")
    assert invocation(button("poll")) == (None, "")


@given(st.text())
def test_any_text_can_be_looked_up(text: str) -> None:
    router = Router()
    router.command("ping")(second)
    router.on(MessageReceived)(first)
    assert list(router.handlers(message(text)))[-1] is first


def test_a_decorator_returns_the_function_unchanged() -> None:
    router = Router()
    assert router.command("a")(first) is first
    assert router.button("a")(first) is first
    assert router.on(MemberJoined)(first) is first
    assert router.bulk(MessageRead)(reads) is reads


def test_a_command_is_asked_before_the_handlers_of_its_type() -> None:
    router = Router()
    router.on(MessageReceived)(first)
    router.command("ping", "ピン", help="pong")(second)
    assert list(router.handlers(message("/ピン"))) == [second, first]
    assert list(router.handlers(message("/pong"))) == [first]
    assert [(entry.names, entry.help) for entry in router.help] == [(("ping", "ピン"), "pong")]


def test_a_button_goes_to_the_handler_of_its_prefix() -> None:
    router = Router()
    router.button("poll")(first)
    assert list(router.handlers(button("poll:1"))) == [first]
    assert not router.handles(button("polls:1"))


def test_two_handlers_for_one_thing_are_an_error_that_names_both() -> None:
    router = Router()
    router.command("ping")(first)
    router.button("poll")(first)
    router.on(MemberJoined)(first)
    with pytest.raises(ConfigurationError, match=r"first and .*second"):
        router.command("ＰＩＮＧ")(second)
    with pytest.raises(ConfigurationError, match="button poll:"):
        router.button("poll")(second)
    with pytest.raises(ConfigurationError, match="registered twice"):
        router.on(MemberJoined)(first)


def test_a_type_of_event_has_bulk_handlers_or_single_ones() -> None:
    router = Router()
    router.bulk(MessageRead)(reads)
    with pytest.raises(ConfigurationError, match="MessageRead has both"):
        router.on(MessageRead)(first)


@pytest.mark.parametrize("names", [(), ("two words",), ("",), ("/",)])
def test_a_command_without_a_usable_name_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError):
        Router().command(*names)(first)


def test_a_button_prefix_with_a_colon_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="without a colon"):
        Router().button("a:b")


def test_an_included_router_brings_everything_it_has_and_clashes_are_found() -> None:
    inner, outer = Router(), Router()
    inner.command("ping", help="pong")(first)
    inner.button("poll")(first)
    inner.on(MemberJoined)(first)
    inner.bulk(MessageRead)(reads)
    outer.include(inner)
    assert outer.has_command("PING")
    assert outer.handles(button("poll:1"))
    assert outer.bulk_handlers(MessageRead) == (reads,)
    assert len(outer.help) == 1
    with pytest.raises(ConfigurationError):
        outer.include(inner)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("/一斉Ａ棟①階 へ Ｂ", "Ａ棟①階 へ Ｂ"),
        ("/一斉A棟は\n閉鎖します\n\n以上", "A棟は\n閉鎖します\n\n以上"),
        ("／一斉３号館", "３号館"),
        ("/ｱﾝｹｰﾄ５", "５"),
        ("/ＲＥＡＤ５", "５"),
        ("/一\u200b斉ABC", "ABC"),
    ],
)
def test_what_follows_a_command_without_a_space_stays_as_it_was_typed(text: str, arguments: str) -> None:
    """Width, case and lines of a notice that began right behind `/一斉` used to be changed for everybody."""
    router = Router()
    router.command("一斉", "アンケート", "read")(first)
    name, found = router.invocation(message(text))
    assert router.has_command(name or "")
    assert found == arguments
    assert router.invocation(message("/ｒｅａｄｓ")) == ("reads", "")


def test_a_command_of_a_hundred_thousand_letters_is_looked_up_no_more_often_than_there_are_letters_in_a_name() -> None:
    class Counted(dict[str, Any]):
        looked_up = 0

        def __contains__(self, name: object) -> bool:
            self.looked_up += 1
            return super().__contains__(name)

    async def answer(ctx: object) -> None: ...

    router = Router()
    router.command("既読")(answer)
    router._commands = counted = Counted(router._commands)
    assert not router.handles(message("/" + "x" * 100_000))
    assert counted.looked_up < 10
    assert router.invocation(message("/既読3")) == ("既読", "3")


@pytest.mark.parametrize(
    "typed", ["/イッセイ 本文", "／ｲｯｾｲ\u3000本文", "/いっせい 本文", "\u3000／いっせい\u3000本文"]
)
def test_a_command_is_found_in_every_script_and_width(typed: str) -> None:
    router = Router()
    router.command("一斉", also=("いっせい",))(second)
    assert list(router.handlers(message(typed))) == [second]
    assert router.invocation(message(typed))[1] == "本文"
