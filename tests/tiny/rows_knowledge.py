"""A knowledge base of four lines."""

from pathlib import Path

from tests.tiny.row import Row, step


def knowledge(folder: Path) -> None:
    """Two facts and a document."""
    (folder / "graph.tsv").write_text("umbrella\tused_for\train\nrain\tmade_of\twater\n")
    (folder / "rain.md").write_text("# Rain\n\nAn umbrella keeps the rain off.\n")


ROWS = [
    Row(
        name="31 KRISP",
        like="medley/knowledge",
        build=knowledge,
        body=step("look_up", query="What is an umbrella for?", params={"hops": 2}),
        gives={"s1.text": "text", "s1.found": "data"},
    ),
]
