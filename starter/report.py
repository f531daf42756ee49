"""The shape of the evaluation's report, and its Markdown."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Score:
    """One measured share: of `count` inputs, `value` (0..1) came out right; `wanted` at least."""

    what: str
    value: float
    count: int
    wanted: float | None = None

    def row(self) -> str:
        """A line of a Markdown table."""
        wanted = "" if self.wanted is None else f"{100 * self.wanted:.0f} %"
        met = "" if self.wanted is None else ("yes" if self.value >= self.wanted else "**no**")
        return f"| {self.what} | {100 * self.value:.1f} % | {self.count} | {wanted} | {met} |"


@dataclass(frozen=True)
class Section:
    """A title, how its inputs were held out, its scores, and remarks such as what was left out."""

    title: str
    held_out: str
    scores: list[Score] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """The section as Markdown."""
        lines = [f"## {self.title}", "", self.held_out, ""]
        if self.scores:
            lines += [
                "| what | score | inputs | wanted | met |",
                "| --- | ---: | ---: | ---: | --- |",
            ]
            lines += [score.row() for score in self.scores] + [""]
        for remark in self.remarks:
            lines += [remark, ""]
        return "\n".join(lines)


def document(sections: Iterable[Section], weights: str = "") -> str:
    """The whole report; `weights` says which edition was measured."""
    head = (
        "# What the starter models can do, measured\n\n"
        "Written by `python -m starter.evaluate` (`make eval`) from the weights in "
        "`starter/weights/`, loaded through the same catalogue, registries and backends that "
        "serve requests. Every input is held out of training; each section says how.\n"
    )
    head += f"\nMeasured: {weights}.\n" if weights else ""
    return "\n".join([head, *(section.markdown() for section in sections)]).rstrip() + "\n"
