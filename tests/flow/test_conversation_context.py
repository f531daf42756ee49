"""What the hub is told of a conversation: its branch, its assets, and the first turns in short."""

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from medley.ids import new_id
from medley.modality import Modality
from medley.parts import AssetPart, Part, TextPart
from orchestrator import conversations
from orchestrator.context import MAX_SUMMARY, MAX_TURNS, JobContext, load_context
from orchestrator.database import create_engine, raw
from orchestrator.engine import NewJob, NewStep, submit
from orchestrator.register import Register


class Talk:
    """A conversation that grows by messages; the last one asks for a job."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.id = conversations.create(conn, "t").id

    def say(self, role: str, parent: str | None, *parts: str | Part) -> str:
        """A message of words and assets; its id."""
        given = [TextPart(text=part) if isinstance(part, str) else part for part in parts]
        return conversations.add_message(
            self.conn,
            "t",
            self.id,
            role,
            given,
            parent=parent,
        ).id

    def picture(self, name: str = "", words: str = "") -> AssetPart:
        """An uploaded picture, or one that was made from words."""
        asset = new_id("asset")
        origin = {"name": name} if name else {"tool": "text_to_image", "words": words}
        raw(self.conn).execute(
            "INSERT INTO assets (id, tenant, sha256, size, modality, media_type, origin)"
            " VALUES (%s, 't', %s, 1, 'image', 'image/png', %s)",
            [asset, asset, json.dumps(origin)],
        )
        return AssetPart(asset=asset, modality=Modality.IMAGE, media_type="image/png")

    def context(self, message: str, words: str = "Make it bigger") -> JobContext:
        """What a job of this message knows."""
        job = NewJob(
            tenant="t",
            steps=[NewStep(id="plan", tool="plan", lane="hub", kind="plan")],
            conversation=self.id,
            message=message,
            request={"input": [{"type": "text", "text": words}]},
        )
        submit(raw(self.conn), job)
        return load_context(raw(self.conn), job.id)


@pytest.fixture
def talk(database_url: str) -> Iterator[Talk]:
    engine = create_engine(database_url)
    with engine.begin() as conn:
        yield Talk(conn)
    engine.dispose()


def test_a_fork_knows_its_own_branch_and_nothing_of_the_other(talk: Talk) -> None:
    cat, dog = talk.picture(words="a cat"), talk.picture(words="a dog")
    root = talk.say("user", None, "Draw something")
    one, other = (
        talk.say("assistant", root, "A cat.", cat),
        talk.say("assistant", root, "A dog.", dog),
    )
    for answer, picture, words in ((one, cat, "a cat"), (other, dog, "a dog")):
        found = talk.context(talk.say("user", answer, "Make it bigger"))
        assert [entry.asset for entry in found.given] == [picture.asset]
        (known,) = Register(found.given).known()
        assert (known.about, known.made_by, known.turn) == (words, "text_to_image", 1)


def test_what_was_made_long_ago_can_still_be_named(talk: Talk) -> None:
    logo = talk.picture(name="logo.png")
    last = talk.say("user", None, "Here is my logo", logo)
    for number in range(30):
        last = talk.say(("assistant", "user")[number % 2], last, f"Words {number}")
    found = talk.context(talk.say("user", last, "Crop the logo"))
    assert [(entry.asset, entry.about, entry.turn) for entry in found.given] == [
        (logo.asset, "logo.png", 31)
    ]


def test_a_long_conversation_is_told_in_short(talk: Talk) -> None:
    last: str | None = None
    for number in range(80):
        last = talk.say(
            ("user", "assistant")[number % 2], last, f"Message {number} " + "word " * 60
        )
    found = talk.context(talk.say("user", last, "And now?"))
    summary, *recent = found.history
    assert summary.role == "summary"
    assert len(recent) == MAX_TURNS
    assert recent[-1].text.startswith("Message 79")
    assert len(summary.text) < MAX_SUMMARY + 100
    assert "Message 67" in summary.text
    assert "left out" in summary.text


def test_a_short_conversation_is_told_as_it_was(talk: Talk) -> None:
    last = talk.say("user", None, "Hello")
    found = talk.context(talk.say("user", talk.say("assistant", last, "Hi"), "Draw a cat"))
    assert [(turn.role, turn.text) for turn in found.history] == [
        ("user", "Hello"),
        ("assistant", "Hi"),
    ]
