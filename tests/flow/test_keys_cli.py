"""`medley keys`: on the database itself, before there is any key and while the service runs."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from medley.cli import app
from medley.cli.exits import Exit
from orchestrator.database import create_engine

cli = CliRunner()


@pytest.fixture(autouse=True)
def _database(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDLEY_DATABASE_URL", database_url)
    monkeypatch.setenv("MEDLEY_HOME", str(tmp_path))


def test_a_key_is_made_listed_rotated_and_revoked(database_url: str) -> None:
    words = ["keys", "create", "CI", "--scope", "read, run", "--tenant", "acme", "--expires", "30d"]
    done = cli.invoke(app, [*words, "--quota", "jobs_per_day=5", "--json"])
    made = json.loads(done.stdout)
    with create_engine(database_url).connect() as conn:
        row = conn.execute(text("SELECT * FROM keys")).one()
        told = conn.execute(text("SELECT action, tenant, target FROM audit")).one()

    assert (row.tenant, row.scopes, row.quota) == ("acme", ["read", "run"], {"jobs_per_day": 5})
    assert row.expires_at - datetime.now(UTC) > timedelta(days=29)
    assert made["secret"].startswith("mk_")
    assert made["secret"] not in str(row)
    assert tuple(told) == ("key.create", "acme", row.id)

    listed = cli.invoke(app, ["keys", "list"]).stdout
    assert row.id in listed
    assert made["secret"] not in listed
    rotated = cli.invoke(app, ["keys", "rotate", row.id]).stdout.splitlines()[0]
    assert rotated.startswith("mk_")
    assert rotated != made["secret"]
    assert cli.invoke(app, ["keys", "revoke", row.id]).exit_code == 0
    assert json.loads(cli.invoke(app, ["keys", "list", "--json"]).stdout)[0]["state"] == "revoked"


def test_the_first_key_says_what_changes_and_only_the_secret_is_on_stdout() -> None:
    first = cli.invoke(app, ["keys", "create", "--scope", "admin"])
    second = cli.invoke(app, ["keys", "create", "--scope", "admin"])

    assert first.stdout.strip().startswith("mk_")
    assert len(first.stdout.split()) == 1
    assert "everybody needs one" in first.stderr
    assert "everybody needs one" not in second.stderr
    assert ("operate" in first.stderr, "operate" in second.stderr) == (True, False)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["create", "--scope", "root"], Exit.REFUSED, "no scope 'root'"),
        (["create", "--tenant", "Not This"], Exit.REFUSED, "name of a tenant"),
        (["create", "--quota", "jobs=1"], Exit.REFUSED, "jobs_per_day"),
        (["create", "--quota", "jobs_per_day"], Exit.USAGE, "name=number"),
        (["create", "--expires", "soon"], Exit.USAGE, "12h"),
        (["revoke", "key_missing"], Exit.REFUSED, "no key 'key_missing'"),
    ],
)
def test_wrong_words_are_refused(words: list[str], code: Exit, told: str) -> None:
    done = cli.invoke(app, ["keys", *words])

    assert done.exit_code == code
    assert told in " ".join(done.stderr.split()).replace("│ ", "")


def test_a_database_without_tables_says_what_to_do(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEDLEY_DATABASE_URL", empty_database_url)
    done = cli.invoke(app, ["keys", "list"])

    assert (done.exit_code, "medley migrate" in done.stderr) == (Exit.UNAVAILABLE, True)
