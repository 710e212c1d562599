"""A notice has gone out on a platform that the city has given up since: what follows it reaches people elsewhere."""

from __future__ import annotations

from bot.activity import Activity
from bot.outbox import Outbox
from bot.storage import Database
from broadcasts.service import Broadcasts
from tests.broadcasts.scene import Scene, people, person, scene_on


async def without_chat(scene: Scene) -> None:
    """The process begins again with LINE alone in its settings."""
    hall = scene.hall
    await hall.broadcasts.stop()
    await hall.outbox.stop()
    hall.activity = Activity()
    left = {"line": scene.line}
    hall.outbox = Outbox(hall.database, left, hall.clock, hall.activity)
    hall.broadcasts = Broadcasts(hall.database, hall.outbox, left, hall.clock, hall.activity, hall.broadcasts.texts)
    await hall.outbox.start()
    await hall.broadcasts.start()
    await hall.quiet()


async def test_a_correction_reaches_those_who_had_the_notice_on_a_platform_that_is_no_more(database: Database) -> None:
    staff = [*people(3, "chat", "line"), person("010", "line"), person("011", "chat")]
    async with scene_on(database, staff) as scene:
        hall = scene.hall
        number = await hall.send("避難所は北小です。")
        await hall.quiet()
        await without_chat(scene)
        chief = await hall.member("hq")
        async with hall.database.transaction() as db:
            draft = await hall.broadcasts.corrections.draft(
                db, await hall.broadcasts.notice(db, number), chief, "避難所は南小です。"
            )
        async with hall.database.transaction() as db:
            shown = await hall.broadcasts.corrections.people(db, draft.id, chief)
            expected = {"職員hq": "line", "職員001": "line", "職員002": "line", "職員010": "line", "職員011": None}
            assert {each.name: each.adapter for each in shown.people} == expected
            await hall.broadcasts.corrections.send(db, draft.id, chief)
        await hall.quiet()
        screens = {code: scene.line.screens.get(f"line-{code}", []) for code in ("hq", "001", "002", "010")}
        copies = {code: sum("南小" in seen.text for seen in screen) for code, screen in screens.items()}
        assert copies == {"hq": 1, "001": 1, "002": 1, "010": 1}
