"""The compact wording for small hubs that were trained on it: no list of tools, no instructions,
few tokens.

The grammar knows the tools; the prompt says only which assets there are and what is asked.
"""

from collections.abc import Iterable

from hub.prompting import cleaned, one_line, render
from medley.tasks import AnswerFacts, KnownAsset, PlanTask

#: Control words of the compact wording; special tokens of its tokenizer.
CONTROL = ("<|end|>", "<|pad|>", "<|plan|>", "<|see|>", "<|answer|>", "<|user|>", "<|hub|>")
MEDIA_GAP = "\ue000"  #: where soft tokens go in a describe prompt
MAX_REQUEST = 1500  #: characters of a request that are read


def plan_prompt(task: PlanTask) -> str:
    """`<|plan|>a1 image\\na2 audio "dog.wav"\\n<|user|>…<|hub|>`"""
    return render(
        "compact_plan", assets=asset_lines(task.assets), request=request_text(task.request)
    )


def answer_prompt(facts: AnswerFacts) -> str:
    """What became of the steps, in one line each, and the request."""
    lines = (
        f"{step.id} {step.tool} {'ok' if step.status == 'succeeded' else 'failed'}\n"
        for step in facts.steps
    )
    return render("compact_answer", facts="".join(lines), request=request_text(facts.request))


def describe_prompt(question: str) -> str:
    """A question about what the soft tokens at `MEDIA_GAP` mean."""
    return render("compact_describe", media=MEDIA_GAP, question=request_text(question))


def asset_lines(assets: Iterable[KnownAsset]) -> str:
    """One line for each asset: id, modality, how many turns old, and its name in quotes."""
    return "".join(_asset_line(asset) for asset in assets)


def request_text(request: str) -> str:
    """A request as it stands in a prompt, and as the grammar may quote it."""
    return cleaned(request, CONTROL).replace(MEDIA_GAP, "")[:MAX_REQUEST]


def _asset_line(asset: KnownAsset) -> str:
    old = f" old{asset.turn}" if asset.turn else ""
    named = asset.about and asset.step is None
    about = f' "{one_line(cleaned(asset.about, CONTROL), 60)}"' if named else ""
    return f"{asset.id} {asset.modality.value}{old}{about}\n"
