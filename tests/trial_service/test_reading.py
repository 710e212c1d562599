"""Whatever people write and read, in any order: who read what when is what a plain book-keeper would have noted."""

from __future__ import annotations

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import TOKYO
from trial.service import messages, reads, rooms
from trial.service.accounts import put_people
from trial.service.change import Change
from trial.service.messages import Draft
from trial.service.models import NewUser
from trial.service.problems import NotFound
from trial.service.store import connect, transaction

PEOPLE = ("u1", "u2", "u3")
WHO = st.sampled_from(PEOPLE)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), WHO, st.just(0)),
        st.tuples(st.just("read"), WHO, st.integers(0, 30)),
        st.tuples(st.just("leave"), st.just("u3"), st.just(0)),
        st.tuples(st.just("return"), st.just("u3"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(acts=ACTS, history=st.sampled_from(["shown", "hidden"]))
def test_spans_of_reading_say_the_same_as_a_note_for_every_message_and_person(
    acts: list[tuple[str, str, int]], history: str
) -> None:
    now = datetime(2023, 7, 3, 9, tzinfo=TOKYO)
    with tempfile.TemporaryDirectory() as folder:
        db = connect(Path(folder) / "service.sqlite3")
        with transaction(db):
            change = Change(db, now)
            staff = [NewUser(login=person, name=person, password="kairanban") for person in PEOPLE]
            put_people(change, staff, ["hash"] * 3)
            room = rooms.create(change, "u1", "課", PEOPLE, "hidden" if history == "hidden" else "shown")
        authors: dict[str, str] = {}
        notes: dict[tuple[str, str], datetime] = {}
        visible = {person: set[str]() for person in PEOPLE}
        inside = set(PEOPLE)
        for act, who, number in acts:
            now += timedelta(minutes=1)
            change = Change(db, now)
            if act == "leave" and who in inside:
                inside.discard(who)
                rooms.leave(change, room, who)
            elif act == "return" and who not in inside:
                inside.add(who)
                visible[who] = set() if history == "hidden" else set(authors)
                rooms.add(change, room, "u1", [who])
            elif act == "write" and who in inside:
                message = messages.send(change, who, room, Draft(text="a")).message_id
                authors[message] = who
                for person in inside:
                    visible[person].add(message)
            elif act == "read" and who in inside:
                upto = f"m{number + 1}"
                try:
                    reads.mark(change, who, room, upto)
                except NotFound:
                    assert upto not in visible[who]
                    continue
                assert upto in visible[who]
                for message in visible[who]:
                    if int(message[1:]) <= number + 1:
                        notes.setdefault((message, who), now)
        change = Change(db, now)
        for message, author in authors.items():
            audience = [who for who in PEOPLE if who in inside and message in visible[who]]
            if "u1" in audience:
                readers, unread = reads.of(change, messages.see(change, "u1", message))
                others = [who for who in audience if who != author]
                assert readers == {who: notes[message, who] for who in others if (message, who) in notes}
                assert unread == [who for who in others if (message, who) not in notes]
        db.close()
