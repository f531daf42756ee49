"""The report of the starter models, and the pictures that their evaluation paints."""

from pathlib import Path

import numpy as np
from PIL import Image

from starter.evaluate import keep, kept
from starter.heldout import paint
from starter.report import Score, Section, document


def test_a_score_below_what_is_wanted_is_said_plainly() -> None:
    assert Score("named", 0.8, 10, 0.75).row().endswith("| 75 % | yes |")
    assert Score("named", 0.7, 10, 0.75).row().endswith("| 75 % | **no** |")
    assert Score("named", 0.7, 10).row().endswith("|  |  |")


def test_a_section_without_scores_still_says_why() -> None:
    text = document([Section("Plans", "Left out: the hub has no exported weights yet.")])
    assert "## Plans" in text
    assert "Left out" in text
    assert "| what |" not in text


def test_painted_scenes_differ_and_show_the_drawing_within_the_middle_square() -> None:
    drawing = Image.new("RGBA", (128, 128), (255, 0, 0, 255))
    dice = np.random.default_rng(5)
    scenes = [paint(drawing, dice) for _ in range(12)]
    assert len({scene.size for scene in scenes}) > 6
    for scene in scenes:
        assert scene.mode == "RGB"
        short = min(scene.size)
        left, top = ((edge - short) // 2 for edge in scene.size)
        middle = np.asarray(scene.crop((left, top, left + short, top + short)), float)
        red = (middle[..., 0] - middle[..., 1:].max(axis=-1)) > 40
        assert red.mean() > 0.1


def test_what_was_measured_is_kept_with_the_digests_of_its_weights(tmp_path: Path) -> None:
    section = Section("Plans", "How.", [Score("named", 0.5, 10, 0.9)], ["A remark."])
    keep({"Plans": (["abc"], section)}, tmp_path / "report.json")
    assert kept(tmp_path / "report.json") == {"Plans": (["abc"], section)}
    assert kept(tmp_path / "nothing.json") == {}
