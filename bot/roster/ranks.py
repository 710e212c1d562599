"""How high a title stands where the roster has no column for it: the usual order of posts in Japanese local government.

Only the order matters. Steps of five leave room for what a house has in between; titles that are not known are 0, and
stand above nobody.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bot.folding import fold
from bot.roster.model import Person

ORDER: tuple[tuple[int, str], ...] = (
    (99, "市長 町長 村長 区長 知事"),
    (98, "副市長 副町長 副村長 副区長 副知事 助役"),
    (97, "教育長 代表監査委員 公営企業管理者 病院事業管理者 水道事業管理者 上下水道事業管理者"),
    (90, "局長 統括監"),
    (85, "理事 技監 消防長 会計管理者 危機管理監 政策監 公室長"),
    (80, "部長 本部長 消防正監 消防監"),
    (75, "次長 副部長 副局長 副本部長 部参事"),
    (70, "参事 審議監 消防司令長 副理事 主席参事"),
    (60, "課長 署長 支所長 統括課長 総括課長 専門監 主席監察員"),
    (55, "副参事 副署長"),
    (50, "室長 所長 館長 園長 場長 校長 院長 寮長 センター長 出張所長 分署長 所属長 施設長 局次長"),
    (45, "課長補佐 課長代理 副課長 補佐 主幹 副主幹 消防司令 副室長 副所長 副館長 副園長 副場長 教頭 看護師長"),
    (
        40,
        "係長 保健師長 師長 保育士長 班長 消防司令補 係長代理 グループ長 グループリーダー チームリーダー チーム長",
    ),
    (35, "主査 主任主査 副係長 専門員 消防士長 主任保育士"),
    (30, "主任 副主査 主任主事 主任技師 消防副士長"),
    (
        20,
        "主事 技師 書記 保健師 看護師 助産師 保育士 栄養士 司書 学芸員 教諭 指導主事 社会福祉士 消防士 技術員 事務員",
    ),
    (15, "主事補 技師補 書記補 技能員 技能労務員 用務員 調理員 調理師 運転手 作業員 業務員 環境整備員"),
    (10, "再任用職員 再任用 任期付職員 暫定再任用職員"),
    (
        5,
        "会計年度任用職員 会計年度任用 会計年度 会計年度職員 臨時職員 非常勤職員 嘱託員 嘱託職員 嘱託 アルバイト",
    ),
)
"""From the highest: a rank and the titles that have it."""

_RANKS = {fold(title): rank for rank, titles in ORDER for title in titles.split()}
_HEADS = {fold(head): _RANKS[fold(head)] for head in ("主任", "主査", "主幹", "参事", "会計年度任用", "再任用")}
_LEVEL = re.compile(r"[(〔\[]([^()〔〕\[\]]+?)(?:級|相当職?|待遇)[)〕\]]")
_ASIDE = re.compile(r"[(〔\[][^()〔〕\[\]]*[)〕\]]")
_SEVERAL = re.compile(r"[(〔\[]?(?:兼務?|併任)[)〕\]]?|[・、,/;&+]")
_ENDING = re.compile(r"(?:級|相当職?|待遇|職|心得|事務取扱|事務代理|取扱|職務代理者?|\d+級)+$")


@dataclass(frozen=True, slots=True)
class Title:
    """A title on the roster, the rank that was derived for it (0: none), and how many hold it."""

    name: str
    rank: int
    holders: int


def rank_of(title: str) -> int:
    """The usual rank of a title, the highest if there are several in it; 0 if nothing in it is known.

    A level in brackets says it: 主幹（課長級） stands with 課長.
    """
    folded = fold(title)
    if (level := _LEVEL.search(folded)) is not None and (rank := _single(level[1])):
        return rank
    return max(_single(_ASIDE.sub("", part)) for part in _SEVERAL.split(folded))


def _single(title: str) -> int:
    title = _ENDING.sub("", title) or title
    # The longest ending that is known: 税務課長補佐 is a 課長補佐 and no 補佐, 統括主任 a 主任.
    ending = next((rank for start in range(len(title)) if (rank := _RANKS.get(title[start:]))), 0)
    # 主任保健師 is a 主任, but a 参事補佐 no 参事.
    heads = [
        rank for head, rank in _HEADS.items() if title.startswith(head) and title[len(head) :][:1] not in {"補", "代"}
    ]
    return max(ending, *heads, 0)


def derive(
    people: Iterable[Person], known: Mapping[str, tuple[str, int]], before: Mapping[str, int]
) -> tuple[list[Person], list[Title]]:
    """People with the rank of their title where their file has titles and no ranks, and the titles that were seen.

    `known` are post and rank of the members by staff number, `before` the ranks that the house itself has given to
    titles (folded): where it has its own scale, a title stands as high as there, and one that is not there is 0.
    """
    own = {} if all(rank_of(title) == rank for title, rank in before.items()) else before
    found: list[Person] = []
    holders: Counter[str] = Counter()
    ranks: dict[str, int] = {}
    for person in people:
        if person.rank is not None or not person.post:
            found.append(person)
            continue
        title = fold(person.post)
        post, rank = known.get(person.code, ("", 0))
        # Somebody's own rank stays while the title does.
        if not (own and rank and fold(post) == title):
            rank = own.get(title, 0) if own else rank_of(person.post)
        holders[person.post] += 1
        ranks.setdefault(person.post, rank)
        found.append(replace(person, rank=rank))
    titles = [Title(name, ranks[name], count) for name, count in holders.items()]
    return found, sorted(titles, key=lambda title: (-title.rank, title.name))
