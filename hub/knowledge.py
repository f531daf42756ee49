"""Knowledge: documents and a graph of facts that a plan can look things up in.

A knowledge base is a folder: `*.md` and `*.txt` are cut into passages, `*.tsv` holds facts, one a
line: subject, relation, object. Passages are ranked by BM25 (Robertson and Zaragoza, 2009) of
SQLite's full-text index; facts are those within some hops of the things that the query names, as
knowledge-based question answering does it (KRISP, Marino et al., 2021; without its graph network).
No model is loaded. What is found is data that somebody wrote, and goes to the hub as such.
"""

import csv
import re
import sqlite3
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import find
from medley.errors import BadInput, MedleyError, Unavailable

MAX_BYTES = 256 << 20  #: of all files of a folder
PASSAGE = 700  #: characters, about
MAX_FACTS = 200  #: looked at for one query
MOST_WORDS = 6  #: of a name
_WORD = re.compile(r"[\u3400-\u9fff]|[^\W_]+")
_TABLES = """
CREATE VIRTUAL TABLE passages USING fts5(words, text UNINDEXED, source UNINDEXED);
CREATE TABLE facts (subject TEXT, relation TEXT, object TEXT, s TEXT, o TEXT, source TEXT);
CREATE INDEX by_subject ON facts (s);
CREATE INDEX by_object ON facts (o);
"""


class KnowledgeBackend:
    """Serves `look_up` from the folder that the model's source names."""

    tools = frozenset({"look_up"})

    def __init__(self) -> None:
        self._base: sqlite3.Connection | None = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Reads the folder. Raises `Unavailable` when it is missing, too large or not readable."""
        folder = find(model)
        if folder is None or not folder.is_dir():
            raise Unavailable(f"The knowledge base {model.id} is not at {model.source!r}.")
        files = sorted(path for path in folder.rglob("*") if path.suffix in _READERS)
        if sum(path.stat().st_size for path in files) > MAX_BYTES:
            raise Unavailable(f"The knowledge base {model.id} is larger than {MAX_BYTES >> 20} MB.")
        base = sqlite3.connect(":memory:", check_same_thread=False)
        base.executescript(_TABLES)
        for path in files:
            table, read = _READERS[path.suffix]
            name = path.relative_to(folder).as_posix()
            try:
                base.executemany(table, read(path, name))
            except (OSError, UnicodeDecodeError, csv.Error) as error:
                raise Unavailable(f"{name} of {model.id} cannot be read: {error}") from error
        self._base = base

    def unload(self) -> None:
        """Forgets the index."""
        if self._base is not None:
            self._base.close()
        self._base = None

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """`text`: what was found, a line each with where it stands; `found`: the same as data."""
        if self._base is None:
            raise Unavailable("The knowledge base is not loaded.")
        results = []
        for place, request in enumerate(batch):
            control.tick(place, len(batch))
            try:
                results.append(_looked_up(self._base, request))
            except MedleyError as error:
                results.append(Result(error=error))
        return results


def _looked_up(base: sqlite3.Connection, request: Request) -> Result:
    words = _words(str(request.inputs["query"]))
    if not words:
        raise BadInput("There are no words to look up.")
    limit, hops = int(request.params["limit"]), int(request.params["hops"])
    facts = _facts(base, words, hops, limit)
    passages = _passages(base, words, limit)
    # Facts are short and exact, passages tell more: half of each, where there is enough of both.
    kept = max(limit - len(passages), (limit + 1) // 2)
    found = [*facts[:kept], *passages][:limit]
    lines = [f"{item['text']} [{item['source']}]" for item in found]
    return Result(outputs={"text": "\n".join(lines) or "Nothing was found.", "found": found})


def _passages(base: sqlite3.Connection, words: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """The best passages; a higher score is better."""
    query = " OR ".join(f'"{word}"' for word in dict.fromkeys(words))
    rows = base.execute(
        "SELECT text, source, -bm25(passages) FROM passages WHERE words MATCH ?"
        " ORDER BY bm25(passages), rowid LIMIT ?",
        [query, limit],
    )
    return [
        {"kind": "passage", "text": text, "source": source, "score": round(score, 4)}
        for text, source, score in rows
    ]


def _facts(
    base: sqlite3.Connection, words: Sequence[str], hops: int, limit: int
) -> list[dict[str, Any]]:
    """Facts about what the words name, nearest first."""
    reached = _named(base, words)
    found: dict[int, dict[str, Any]] = {}
    for hop in range(1, hops + 1):
        marks = ",".join("?" * len(reached))
        rows = base.execute(
            "SELECT rowid, subject, relation, object, s, o, source FROM facts"
            f" WHERE s IN ({marks}) OR o IN ({marks}) ORDER BY rowid LIMIT {MAX_FACTS}",
            [*reached, *reached],
        ).fetchall()
        for row, subject, relation, thing, _, _, source in rows:
            text = f"{subject} {relation.replace('_', ' ')} {thing}"
            fact = {"kind": "fact", "text": text, "source": source, "hops": hop}
            found.setdefault(row, fact)
        reached = list(dict.fromkeys([*reached, *(name for row in rows for name in row[4:6])]))
        reached = reached[:MAX_FACTS]
        if len(found) >= max(limit, MAX_FACTS):
            break
    return list(found.values())


def _named(base: sqlite3.Connection, words: Sequence[str]) -> list[str]:
    """Things of the graph that the words name; of names within each other the longest."""
    found, start = [], 0
    while start < len(words):
        for size in range(min(MOST_WORDS, len(words) - start), 0, -1):
            name = " ".join(words[start : start + size])
            known = base.execute(
                "SELECT 1 FROM facts WHERE s = ?1 OR o = ?1 LIMIT 1", [name]
            ).fetchone()
            if known:
                found.append(name)
                start += size - 1
                break
        start += 1
    return list(dict.fromkeys(found))


def _words(text: str) -> list[str]:
    """Words in small letters; each Chinese character is one."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def _read_passages(path: Path, name: str) -> Iterator[tuple[str, str, str]]:
    start, held = 1, ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if held and (not line.strip() or len(held) + len(line) > PASSAGE):
            yield " ".join(_words(held)), held, f"{name}:{start}"
            held = ""
        if line.strip():
            start = number if not held else start
            held = f"{held} {line.strip()}".strip()
    if held:
        yield " ".join(_words(held)), held, f"{name}:{start}"


def _read_facts(path: Path, name: str) -> Iterator[tuple[str, ...]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        for number, row in enumerate(rows, start=1):
            if len(row) < 3 or not all(part.strip() for part in row[:3]):
                continue
            subject, relation, thing = (part.strip() for part in row[:3])
            keys = [" ".join(_words(part)) for part in (subject, thing)]
            yield subject, relation, thing, *keys, f"{name}:{number}"


_PASSAGES = "INSERT INTO passages VALUES (?, ?, ?)"
_READERS = {
    ".md": (_PASSAGES, _read_passages),
    ".txt": (_PASSAGES, _read_passages),
    ".tsv": ("INSERT INTO facts VALUES (?, ?, ?, ?, ?, ?)", _read_facts),
}
