"""What answering and reading took, day by day: sums only, nothing of what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from appliance.documents import Energy
from appliance.library.database import has_table, make_tables
from appliance.library.schema import CONSUMPTION_TABLE
from appliance.library.store import Library

Kind = Literal["answer", "document"]
KEPT_DAYS = 400


@dataclass(frozen=True, slots=True)
class Day:
    """`date`: the machine's own, ISO 8601. `joules` of both kinds together; `plus_minus` as a share of them."""

    date: str
    answers: int
    documents: int
    joules: float
    seconds: float
    plus_minus: float
    methods: tuple[str, ...]

    @property
    def watt_hours(self) -> float:
        return self.joules / 3600


class Consumption:
    """The sums of a library. Safe from many threads."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def add(self, date: str, kind: Kind, count: int, energy: Energy) -> None:
        """Add to a day's sum; days that are older than 400 go."""
        values = (date, kind, energy.method, count, energy.joules, energy.seconds, energy.joules * energy.plus_minus)
        with self._library.database.writing() as connection:
            make_tables(connection, CONSUMPTION_TABLE)
            connection.execute(
                "INSERT INTO consumption VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (date, kind, method) DO UPDATE SET count = count + excluded.count, "
                "joules = joules + excluded.joules, seconds = seconds + excluded.seconds, uncertain = uncertain + excluded.uncertain",
                values,
            )
            connection.execute(
                "DELETE FROM consumption WHERE date NOT IN (SELECT DISTINCT date FROM consumption ORDER BY date DESC LIMIT ?)", (KEPT_DAYS,)
            )

    def days(self, limit: int = 31) -> tuple[Day, ...]:
        """The latest first."""
        with self._library.database.reading() as connection:
            if not has_table(connection, "consumption"):
                return ()
            rows = connection.execute(
                "SELECT date, SUM(count * (kind = 'answer')), SUM(count * (kind = 'document')), SUM(joules), SUM(seconds), SUM(uncertain), "
                "GROUP_CONCAT(DISTINCT method) FROM consumption GROUP BY date ORDER BY date DESC LIMIT ?",
                (limit,),
            ).fetchall()
        return tuple(
            Day(date, answers, documents, joules, seconds, uncertain / joules if joules else 0.0, tuple(sorted(methods.split(","))))
            for date, answers, documents, joules, seconds, uncertain, methods in rows
        )
