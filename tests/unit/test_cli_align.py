"""`medley align`: what it reads as examples, and the plan that it asks for."""

from pathlib import Path

import pytest
import typer

from medley.cli.align import Example, plan_of, read_examples
from medley.gate import Known, check, parse_plan
from medley.modality import Modality
from medley.toolset import toolbox


def test_lines_name_files_beside_them(tmp_path: Path) -> None:
    (tmp_path / "cat.png").touch()
    lines = '{"media": "cat.png", "text": "A cat."}\n\n{"media": "cat.png", "text": "Paws.", '
    (tmp_path / "pairs.jsonl").write_text(lines + '"question": "What has it?"}\n')
    found = read_examples(tmp_path / "pairs.jsonl")
    cat = tmp_path / "cat.png"
    assert found == [Example(cat, "A cat."), Example(cat, "Paws.", "What has it?")]


def test_a_folder_has_words_beside_its_files(tmp_path: Path) -> None:
    for name in ("b.png", "a.wav", "lonely.png"):
        (tmp_path / name).touch()
    for name in ("b.txt", "a.txt", "nothing.txt"):
        (tmp_path / name).write_text(f" {name} \n")
    found = [(item.media.name, item.text) for item in read_examples(tmp_path)]
    assert found == [("a.wav", "a.txt"), ("b.png", "b.txt")]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "holds no media"),
        ('{"media": "gone.png", "text": "x"}', r"gone\.png"),
        ('{"media": "x.png"}', "line 1"),
        ('\n["x"]', "line 2"),
        ("{", "line 1"),
    ],
)
def test_what_cannot_be_read_is_named(lines: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text(lines)
    with pytest.raises(typer.BadParameter, match=said):
        read_examples(tmp_path / "pairs.jsonl")


@pytest.mark.parametrize("question", ["", "What?"])
def test_its_plan_passes_the_gate(question: str) -> None:
    examples = [Example(Path("a.png"), "A cat.", question)] * 100
    plan = parse_plan(plan_of(examples, ["asset_1"] * 100, {"hub": "h", "name": "n", "seed": 1}))
    known = Known(tools=toolbox(), assets={"asset_1": Modality.EMBEDDING})
    assert check(plan, known) == []
    assert ("questions" in plan.steps[0].inputs) is bool(question)
