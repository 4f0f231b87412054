"""The shop's database, in the manner of Chinook (artists, albums, tracks, customers, invoices), and questions on it."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

# fmt: off
ARTISTS = (
    "amaranth", "bellwether", "cinnabar", "driftwood", "ember", "foxglove", "gossamer", "hazel", "indigo", "juniper",
)
CUSTOMERS = ("astrid", "bruno", "carla", "dylan", "edith", "felix", "greta", "hugo", "irene", "jonas")
# fmt: on

SOURCES: Mapping[str, str] = {
    "albums": "albums JOIN artists USING (artist_id)",
    "tracks": "tracks JOIN albums USING (album_id) JOIN artists USING (artist_id)",
    "invoices": "invoices JOIN customers USING (customer_id)",
}
MEASURES = ("count(*)", "sum(seconds)", "max(seconds)", "sum(total)", "max(total)")

ASKED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("count(*)", "albums"): ("how many albums did {} release", "count the records of {}"),
    ("count(*)", "tracks"): ("how many songs has {} recorded", "count the tracks of {}"),
    ("sum(seconds)", "tracks"): ("how long is all of {} together", "what is the playing time of {}"),
    ("max(seconds)", "tracks"): ("how long is the longest song of {}", "what does the longest of {} take"),
    ("count(*)", "invoices"): ("how many orders did {} place", "how often did {} buy"),
    ("sum(total)", "invoices"): ("how much has {} paid", "what did {} spend in all"),
    ("max(total)", "invoices"): ("what was the largest bill of {}", "how much was the best order of {}"),
}
"""What is measured, and of what → ways of asking for it."""

_SCHEMA = """
CREATE TABLE artists   (artist_id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE customers (customer_id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE albums    (album_id INTEGER PRIMARY KEY, artist_id INTEGER REFERENCES artists, title TEXT NOT NULL);
CREATE TABLE tracks    (track_id INTEGER PRIMARY KEY, album_id INTEGER REFERENCES albums, seconds INTEGER NOT NULL);
CREATE TABLE invoices  (invoice_id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers, total INTEGER);
"""


@dataclass(frozen=True, slots=True)
class Question:
    """A question on somebody, and a query that answers it."""

    id: str
    text: str
    sql: str


def sql_of(measure: str, source: str, name: str) -> str:
    """The query that measures a source for somebody; not every source has every measure."""
    people = "customers" if source == "invoices" else "artists"
    return f"SELECT {measure} FROM {SOURCES[source]} WHERE {people}.name = '{name}'"


def questions() -> list[Question]:
    """Every way of asking after everybody."""
    return [
        Question(f"{measure.partition('(')[0]}-{source}-{i}-{name}", way.format(name), sql_of(measure, source, name))
        for (measure, source), ways in ASKED.items()
        for i, way in enumerate(ways)
        for name in (CUSTOMERS if source == "invoices" else ARTISTS)
    ]


def make(path: Path) -> Path:
    """Write the database: always the same."""
    rng = random.Random("the music shop")
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(_SCHEMA)
        for n, artist in enumerate(ARTISTS, start=1):
            database.execute("INSERT INTO artists VALUES (?, ?)", (n, artist))
            for title in range(rng.randint(2, 5)):
                album = database.execute(
                    "INSERT INTO albums (artist_id, title) VALUES (?, ?)", (n, f"{artist} {title + 1}")
                ).lastrowid
                tracks = [(album, rng.randint(100, 500)) for _ in range(rng.randint(6, 12))]
                database.executemany("INSERT INTO tracks (album_id, seconds) VALUES (?, ?)", tracks)
        for n, customer in enumerate(CUSTOMERS, start=1):
            database.execute("INSERT INTO customers VALUES (?, ?)", (n, customer))
            bills = [(n, rng.randint(10, 60)) for _ in range(rng.randint(2, 8))]
            database.executemany("INSERT INTO invoices (customer_id, total) VALUES (?, ?)", bills)
    return path


def write_tasks(path: Path, asked: list[Question]) -> Path:
    """A task set: the input, and the query whose rows are the right answer."""
    lines = (json.dumps({"id": one.id, "input": one.text, "reference": one.sql}) for one in asked)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path
