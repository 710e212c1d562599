"""The simulated staff: people who do not exist, in the proportions of a real survey.

Sex, age and skill follow the survey's joint table; department, employment and relevance follow their margins. At 225
staff all of them are met exactly; other sizes scale each table by largest remainder. The tables: `data/staff.toml`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.bilingual import both
from trial import data
from trial.chance import share_out, spread_labels, stream

HEADQUARTERS = "headquarters"
ADMINISTRATOR = "administrator"
HEADQUARTERS_DEPARTMENT = "総務部"
ADMINISTRATOR_DEPARTMENT = "総合政策部"
REGULAR = "正規職員"
BLANK = ""
POSTS = ("部長", "課長", "係長", "主任", "主事")
"""From the highest; a member's rank is 5 for the first down to 1, and 0 for people without a post."""
LARGEST_STAFF = 20_000

_SHARE_OF_POSTS = (2, 8, 18, 30, 42)  # in a hundred regular members of one department; at least one head


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated member of staff; `login` is the staff number, `sex` and `age` are blank for who left them so."""

    login: str
    name: str
    kana: str
    password: str
    department: str
    sex: str
    age: str
    skill: str
    employment: str
    relevance: str
    post: str = ""
    rank: int = 0
    roles: tuple[str, ...] = ()


def populate(staff: int, seed: int) -> list[Person]:
    """`staff` people, the same for the same seed, in the order of their staff numbers.

    Two members of 総務部 are the disaster headquarters' officers, two of 総合政策部 administrators; where a department
    is too small for that, colleagues of other departments help out.
    """
    if not 4 <= staff <= LARGEST_STAFF:
        raise ValueError(both("trial", "mend.staff", most=f"{LARGEST_STAFF:,}"))
    tables = data.load("staff")
    traits = _joint(staff)
    stream(seed, "traits").shuffle(traits)
    margins = {}
    for margin in ("department", "employment", "relevance"):
        margins[margin] = spread_labels(staff, tables[margin])
        stream(seed, margin).shuffle(margins[margin])
    order = {department: position for position, department in enumerate(tables["department"])}
    rows = sorted(
        zip(margins["department"], traits, margins["employment"], margins["relevance"], strict=True),
        key=lambda row: order[row[0]],
    )
    people = []
    for number, (department, (sex, age, skill), employment, relevance) in enumerate(rows, start=1):
        login = f"{100_000 + number}"
        name, kana = _name(seed, login, sex)
        people.append(
            Person(
                login=login,
                name=name,
                kana=kana,
                password=_password(seed, login),
                department=department,
                sex=sex,
                age=age,
                skill=skill,
                employment=employment,
                relevance=relevance,
            )
        )
    return _with_roles(_with_posts(people))


def departments(people: Sequence[Person]) -> list[str]:
    """The departments that have anybody, in the survey's order."""
    present = {person.department for person in people}
    return [name for name in data.load("staff")["department"] if name in present]


def _joint(staff: int) -> list[tuple[str, str, str]]:
    joint = data.load("staff")["joint"]
    cells = [
        ((sex, age, skill), count)
        for sex, by_skill in joint["cells"].items()
        for skill, counts in by_skill.items()
        for age, count in zip(joint["ages"], counts, strict=True)
    ]
    cells += [((BLANK, BLANK, skill), count) for skill, count in joint["blank"].items()]
    return spread_labels(staff, dict(cells))


def _name(seed: int, login: str, sex: str) -> tuple[str, str]:
    names = data.load("names")
    random = stream(seed, "name", login)
    family, family_kana = random.choice(names["family"])
    given, given_kana = random.choice(names["given"].get(sex) or names["given"]["未回答"])
    return f"{family} {given}", f"{family_kana} {given_kana}"


def _password(seed: int, login: str) -> str:
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is misread on paper
    random = stream(seed, "password", login)
    return "-".join("".join(random.choices(alphabet, k=4)) for _ in range(3))


def _with_posts(people: list[Person]) -> list[Person]:
    """Posts go by age within a department's regular members; the others carry their form of employment."""
    ages = {age: position for position, age in enumerate(data.load("staff")["joint"]["ages"])}
    posted = {person.login: replace(person, post=person.employment) for person in people}
    for department in departments(people):
        regular = [person for person in people if person.department == department and person.employment == REGULAR]
        regular.sort(key=lambda person: (-ages.get(person.age, 0), person.login))
        counts = share_out(len(regular), _SHARE_OF_POSTS)
        if regular and counts[0] == 0:
            counts[0], counts[counts.index(max(counts))] = 1, max(counts) - 1
        ladder = [position for position, count in enumerate(counts) for _ in range(count)]
        for person, position in zip(regular, ladder, strict=True):
            posted[person.login] = replace(person, post=POSTS[position], rank=len(POSTS) - position)
    return [posted[person.login] for person in people]


def _with_roles(people: list[Person]) -> list[Person]:
    skills = list(next(iter(data.load("staff")["joint"]["cells"].values())))

    def fitness(department: str, person: Person) -> tuple[bool, bool, int, int, str]:
        """Own department first, then regular members, then who handles devices well and is not the head."""
        return (
            person.department != department,
            person.employment != REGULAR,
            skills.index(person.skill),
            person.rank,
            person.login,
        )

    roles: dict[str, str] = {}
    for role, department in ((HEADQUARTERS, HEADQUARTERS_DEPARTMENT), (ADMINISTRATOR, ADMINISTRATOR_DEPARTMENT)):
        free = (person for person in people if person.login not in roles)
        for person in sorted(free, key=lambda person: fitness(department, person))[:2]:
            roles[person.login] = role
    return [replace(person, roles=(roles[person.login],)) if person.login in roles else person for person in people]
