"""`kairanban chat`: a member of staff's chat in a terminal, against the service of `kairanban serve --demo`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import aiohttp
import typer
from rich.console import Console
from rich.markup import escape

from bot.bilingual import both
from bot.errors import KairanbanError
from config.loops import run
from trial.client import ServiceProblem, StaffClient, Wires

MISSED = 5
"""Messages of a room that are shown at the start, at most."""

console = Console(highlight=False, soft_wrap=True)


def chat(
    login: Annotated[str, typer.Argument(help="ログイン / login, such as 100001")],
    password: Annotated[
        str,
        typer.Option(prompt="パスワード / password", hide_input=True, help="なければ聞きます / asked for if left out"),
    ],
    service: Annotated[str, typer.Option(help="チャットサービスのアドレス / where it is")] = "http://127.0.0.1:8780",
    bot: Annotated[str, typer.Option(help="話す相手 / whom to talk to")] = "b1",
) -> None:
    """Talk with the bot: type a line to send it, a number to press that button, Ctrl-D to leave."""
    run(talk(service, login, password, bot))


async def talk(service: str, login: str, password: str, bot: str) -> None:
    """Send what is typed and show what comes until the input ends; KairanbanError if the service will not have us."""
    screen = Screen()
    problem: Exception | None = None
    async with Wires(service) as wires, asyncio.TaskGroup() as tasks:

        def show(frame: Mapping[str, Any]) -> None:
            """What is on the screen has been read, and the service is told so."""
            if frame["type"] == "problem":
                console.print(f"[red]{frame['status']} {escape(frame['detail'])}[/]")
            if frame["type"] == "message" and frame["message"]["sender"] != client.user_id:
                screen.show(frame["message"])
                tasks.create_task(_read(client, frame["message"]))

        client = StaffClient(wires, login, password, show)
        try:
            rooms = await client.sign_in()
            room = await client.pair(bot)
            for message in await _missed(client, rooms, room):
                show({"type": "message", "message": message})
            console.print(
                "[dim]送る言葉を入力してください。番号でボタンを押せます。 / type, or press a button by its number[/]"
            )
            while line := await asyncio.to_thread(sys.stdin.readline):
                await _say(client, room, line.rstrip("\n"), screen)
        except (ServiceProblem, aiohttp.ClientError) as error:
            problem = error  # raised below: a task group would wrap it
        finally:
            await client.close()
    if isinstance(problem, ServiceProblem):
        raise KairanbanError(str(problem))
    if problem is not None:
        raise KairanbanError(both("config", "command.no_service", service=service))


async def _missed(client: StaffClient, rooms: Sequence[Mapping[str, Any]], talk: str) -> list[Mapping[str, Any]]:
    """The last of what was not read in each room, and in any case of `talk`: it may be a question."""
    unread = {room["room_id"]: min(room["unread"], MISSED) for room in rooms}
    unread[talk] = max(unread.get(talk, 0), 1)
    found = [message for room, count in unread.items() if count for message in await client.latest(room, count)]
    return sorted(found, key=lambda message: message["sent_at"])


async def _read(client: StaffClient, message: Mapping[str, Any]) -> None:
    await client.read(message["room_id"], message["message_id"])


async def _say(client: StaffClient, room: str, line: str, screen: Screen) -> None:
    if not line.strip():
        return
    button = screen.button(line)
    if button is not None:
        await client.press(screen.message_id, button)
    else:
        # A terminal has one line; the two characters \n stand for a new one.
        await client.write(room, text=line.replace("\\n", "\n"))


class Screen:
    """Shows what arrives and remembers the buttons on view."""

    def __init__(self) -> None:
        self.message_id = ""
        self._buttons: Sequence[Mapping[str, str]] = ()

    def button(self, line: str) -> str | None:
        """The data of the button with this number, if there is one."""
        number = line.strip()
        if number.isdecimal() and 1 <= int(number) <= len(self._buttons):
            return self._buttons[int(number) - 1]["data"]
        return None

    def show(self, message: Mapping[str, Any]) -> None:
        """Print a message that came."""
        console.print(f"[bold cyan]{message['sender']}[/] [dim]{message['room_id']}[/]", markup=True)
        console.print(message["text"] or "", markup=False)
        if message["buttons"]:
            self.message_id, self._buttons = message["message_id"], message["buttons"]
            for number, each in enumerate(self._buttons, start=1):
                console.print(f"  {number}. {each['label']}", markup=False)
