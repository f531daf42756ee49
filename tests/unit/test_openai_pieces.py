"""Pieces of a text: the same whether it is still growing or was stored long ago."""

from hypothesis import given
from hypothesis import strategies as st

from api.openai.pieces import pieces, unmarked


@given(st.text(alphabet="ab1 \n.[]你", max_size=80), st.lists(st.integers(1, 7), max_size=40))
def test_a_growing_text_comes_in_the_pieces_of_the_whole(text: str, steps: list[int]) -> None:
    told: list[str] = []
    end = 0
    for step in steps:
        end = min(end + step, len(text))
        told += pieces(text[:end], len("".join(told)), whole=False)
    told += pieces(text, len("".join(told)), whole=True)
    assert told == list(pieces(text, 0, whole=True))
    assert "".join(told) == text


def test_marks_of_assets_are_left_out_even_while_they_are_written() -> None:
    whole = "I drew it [a12] for you."
    shown = [unmarked(whole[:end], whole=False) for end in range(len(whole) + 1)]
    assert all("[" not in text for text in shown)
    assert unmarked(whole, whole=True) == "I drew it for you."
    assert all(shown[-1].startswith(text) for text in shown)
