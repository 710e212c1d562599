"""The areas of the settings as the section wrote them: what they mean, what follows, what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from broadcasts.jma import places
from broadcasts.jma.places import Answer, Place


@dataclass(frozen=True)
class OurAreas:
    """`answers` to each written area, in order. Nothing written means the whole country."""

    answers: tuple[Answer, ...]

    @classmethod
    def of(cls, written: Iterable[str]) -> OurAreas:
        """Read what stands in `[jma] areas`."""
        return cls(tuple(places.find(area) for area in written if area.strip()))

    def problems(self) -> Iterator[str]:
        """A sentence for each area that names nothing, or more than one place."""
        for answer in self.answers:
            if answer.unlisted:
                continue
            if not answer.found:
                near_ja = f"もしかして: {'、'.join(answer.near)}。" if answer.near else ""
                near_en = f" Did you mean {', '.join(answer.near)}?" if answer.near else ""
                yield (
                    f"[jma] areas の「{answer.written}」に当たる地域がありません。"
                    "このままでは電文が来ても下書きができません。"
                    f"{near_ja}天気の予報区（一次細分区域など）は weather:名前、川は river:名前 と書きます。"
                    f" / [jma] areas: there is no place {answer.written!r}.{near_en}"
                    " Write weather:NAME for a region of the forecast, river:NAME for a river."
                )
            elif len({place.table for place in answer.found}) == 1 and len(answer.found) > 1:
                choices = [f"{place.shown}（{place.code}）" for place in answer.found]
                yield (
                    f"[jma] areas の「{answer.written}」は{len(choices)}か所あります。どれか書いてください: "
                    f"{'、'.join(choices)} / [jma] areas: {answer.written!r} is more than one place; write which."
                )

    def _of(self, table: str) -> list[Place]:
        return [place for answer in self.answers for place in answer.found if place.table == table]

    def _bases(self) -> list[Place]:
        """From which regions and coasts follow: the cities or, without any, the prefectures."""
        return self._of("city") or self._of("prefecture")

    @property
    def regions(self) -> list[Place]:
        """Of 震度速報: those written or, without any, those that follow."""
        return self._of("quake") or list(chain.from_iterable(map(places.regions_of, self._bases())))

    @property
    def coasts(self) -> list[Place]:
        """Of tsunami: those written or, without any, those that follow."""
        return self._of("tsunami") or list(chain.from_iterable(map(places.coasts_of, self._bases())))

    def matched(self) -> frozenset[str]:
        """What telegrams are compared with: what was written, and what it means and what follows as codes."""
        if not self.answers:
            return frozenset()
        cities = [code for city in self._of("city") for code in (city.code, *places.ward_codes(city.code))]
        prefectures = [name for place in self._of("prefecture") for name in (place.name, place.code)]
        derived = [f"{place.table}:{place.code}" for place in (*self.regions, *self.coasts)]
        written = [a.written for a in self.answers if a.unlisted or not a.found]
        written += [a.written for a in self.answers if any(p.table in ("quake", "tsunami") for p in a.found)]
        return frozenset((*written, *cities, *prefectures, *derived))

    def described(self) -> list[str]:
        """In words, what would be drafted from which table."""
        if not self.answers:
            return ["全国のすべての地域 / every area of the country"]
        here = places.names((*self._of("city"), *self._of("prefecture")))
        others = "、".join(answer.written for answer in self.answers if answer.unlisted)
        return [
            f"警報・注意報、土砂災害、洪水、震度 / warnings, landslides, floods, intensity: {here}",
            f"震度速報 / quake regions: {places.names(self.regions)}",
            f"津波 / tsunami: {places.names(self.coasts)}",
            *([f"そのほか（一覧で確かめていません） / others, not checked: {others}"] if others else []),
        ]
