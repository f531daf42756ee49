"""The general wording, for chat models that were never trained on Medley: tools, rules and facts
are written out.

Everything that came out of media, files or tools stands in quoted, marked sections.
"""

from collections.abc import Iterable, Sequence
from typing import TypedDict

from hub.grammar import dumps, parameters, required
from hub.prompting import one_line, render, untrusted
from medley.plain import language_of, to_show
from medley.tasks import AnswerFacts, KnownAsset, PlanTask, StepFact, Turn
from medley.tools import Port, Tool, Toolbox

MAX_HISTORY = 13  #: turns that are shown, a summary of earlier ones counted


class Message(TypedDict):
    """One message of a chat."""

    role: str
    content: str


def plan_messages(task: PlanTask, tools: Toolbox) -> list[Message]:
    """Asks for a plan over these tools."""
    repair = ""
    if task.ran:
        repair = "\n" + render("plan_revise", ran=_steps(task.ran))
    if task.ran and task.previous and not task.faults:
        repair += "\n" + untrusted(dumps(task.previous), "plan that ran")
    if task.faults:
        faults = "\n".join(
            f"- {fault.get('pointer', '')}: "
            + f"{fault.get('reason', '')} {fault.get('suggestion', '')}".strip()
            for fault in task.faults
        )
        repair += "\n" + render(
            "plan_repair",
            previous=untrusted(dumps(task.previous or {}), "refused plan"),
            faults=untrusted(faults, "checker"),
        )
    outputs = (
        f"\nThe user wants back: {', '.join(item.value for item in task.outputs)}.\n"
        if task.outputs
        else ""
    )
    user = render(
        "plan_user",
        assets=_assets(task.assets),
        history=_history(task.history),
        outputs=outputs,
        repair=repair,
        request=task.request,
    )
    asking = render("plan_asking") + "\n" if task.may_ask else ""
    system = render("plan_system", tools=tool_lines(tools), asking=asking)
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def answer_messages(facts: AnswerFacts) -> list[Message]:
    """Asks for the reply."""
    shown = f'\nThese must be in "show": {", ".join(to_show(facts))}.\n' if to_show(facts) else ""
    repair = (
        "\nYour last reply was untrue: "
        + " ".join(one_line(fault, 300) for fault in facts.faults)
        + "\n"
        if facts.faults
        else ""
    )
    user = render(
        "answer_user",
        request=facts.request,
        assets=_assets(facts.assets),
        steps=_steps(facts.steps),
        shown=shown,
        repair=repair,
    )
    return [
        {"role": "system", "content": render("answer_system")},
        {"role": "user", "content": user},
    ]


def describe_text(media: str, question: str, language: str) -> str:
    """Asks what the media at `media` shows."""
    chosen = language_of(question) if language == "auto" else language
    asked = question.strip() or ("这是什么？" if chosen == "zh" else "What is this?")
    return render(
        "describe_user",
        media=media,
        question=asked,
        language="Chinese" if chosen == "zh" else "English",
    )


def tool_lines(tools: Toolbox) -> str:
    """The live tools, one line each: ports with types, parameters with ranges."""
    return "\n".join(_tool_line(tool) for tool in tools.values())


def _tool_line(tool: Tool) -> str:
    takes = ", ".join(f"{name}{_port(port)}" for name, port in tool.inputs.items())
    gives = ", ".join(f"{name}{_port(port)}" for name, port in tool.outputs.items())
    params = "; ".join(
        f"{name} {_range(schema)}{' required' if name in required(tool) else ''}"
        for name, schema in parameters(tool, seed=True).items()
    )
    # What a server says of its own tool is no instruction.
    about = untrusted(tool.about, tool.server) if tool.server else tool.about
    return f"- {tool.name}({takes}) -> {gives}{' params: ' + params if params else ''} | {about}"


def _port(port: Port) -> str:
    kinds = "|".join(sorted(modality.value for modality in port.accepts))
    return f":{kinds}{' list' if port.many else ''}{'' if port.required else ' optional'}"


def _range(schema: dict[str, object]) -> str:
    if "enum" in schema:
        return dumps(schema["enum"])
    low = schema.get("minimum", schema.get("exclusiveMinimum", ""))
    high = schema.get("maximum", schema.get("exclusiveMaximum", ""))
    return f"{schema.get('type', 'any')}{f' {low}..{high}' if low != '' or high != '' else ''}"


def _assets(assets: Iterable[KnownAsset]) -> str:
    lines = [
        f"{asset.id}: {asset.modality.value}{_age(asset)}"
        + (f", about: {untrusted(one_line(asset.about, 120), 'asset')}" if asset.about else "")
        for asset in assets
    ]
    return "\n".join(lines) or "none"


def _age(asset: KnownAsset) -> str:
    made = f", made by {asset.made_by}" if asset.made_by else ""
    return (
        f"{made}, from {asset.turn} turn{'s' if asset.turn > 1 else ''} ago" if asset.turn else made
    )


def _history(turns: Sequence[Turn]) -> str:
    if not turns:
        return ""
    lines = "\n".join(
        turn.text if turn.role == "summary" else f"{turn.role}: {one_line(turn.text, 500)}"
        for turn in turns[-MAX_HISTORY:]
    )
    return f"\nEarlier in the conversation:\n{untrusted(lines, 'conversation')}\n"


def _steps(steps: Sequence[StepFact]) -> str:
    return "\n".join(_step(step) for step in steps) or "Nothing had to be done."


def _step(step: StepFact) -> str:
    line = f"{step.id} {step.tool} {dumps(step.about)}: {step.status}"
    if step.assets:
        line += ", made " + ", ".join(f"[{name}]" for name in step.assets)
    if step.error:
        line += f", error: {untrusted(one_line(step.error, 500), 'error')}"
    return f"{line}\n{untrusted(step.text[:4000], step.tool)}" if step.text else line
