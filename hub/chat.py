"""The general wording, for chat models that were never trained on Medley: tools, rules and facts
are written out.

Everything that came out of media, files or tools stands in quoted, marked sections.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TypedDict

from hub.grammar import dumps, parameters, ports_of, required
from hub.prompting import cleaned, defused, one_line, render, untrusted
from medley.plain import language_of, to_show
from medley.tasks import AnswerFacts, KnownAsset, PlanTask, StepFact, Turn
from medley.tools import Port, Tool, Toolbox

MAX_HISTORY = 13  #: turns that are shown, a summary of earlier ones counted
MAX_ABOUT = 400  #: characters of a tool's description
#: Control words of well-known models, for servers whose tokenizer nobody here can see.
FAMILIAR = (
    "<s>", "</s>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]",
    "<<SYS>>", "<</SYS>>", "<think>", "</think>", "<tool_call>", "</tool_call>", "[TOOL_CALLS]",
    "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[AVAILABLE_TOOLS]", "<end_of_utterance>",
)  # fmt: skip


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
        request=defused(task.request),
    )
    asking = render("plan_asking") + "\n" if task.may_ask else ""
    system = render("plan_system", tools=tool_lines(tools), asking=asking)
    return _conversation(system, user)


def answer_messages(facts: AnswerFacts) -> list[Message]:
    """Asks for the reply."""
    shown = f'\nThese must be in "show": {", ".join(to_show(facts))}.\n' if to_show(facts) else ""
    faults = "\n".join(one_line(fault, 300) for fault in facts.faults)
    repair = f"\nYour last reply was untrue:\n{untrusted(faults, 'checker')}\n" if faults else ""
    user = render(
        "answer_user",
        request=defused(facts.request),
        assets=_assets(facts.assets),
        steps=_steps(facts.steps),
        shown=shown,
        history=_history(facts.history),
        repair=repair,
    )
    return _conversation(render("answer_system"), user)


def _conversation(system: str, user: str) -> list[Message]:
    """Both messages without control words of any model."""
    return [
        {"role": "system", "content": cleaned(system, FAMILIAR)},
        {"role": "user", "content": cleaned(user, FAMILIAR)},
    ]


def describe_text(media: str, question: str, language: str) -> str:
    """Asks what the media at `media` shows."""
    chosen = language_of(question) if language == "auto" else language
    asked = question.strip() or ("这是什么？" if chosen == "zh" else "What is this?")
    return render(
        "describe_user",
        media=media,
        question=cleaned(asked, FAMILIAR),
        language="Chinese" if chosen == "zh" else "English",
    )


def tool_lines(tools: Toolbox) -> str:
    """The live tools, one line each: ports with types, parameters with ranges."""
    return "\n".join(_tool_line(tool) for tool in tools.values())


def _tool_line(tool: Tool) -> str:
    takes = ", ".join(f"{name}{_port(port)}" for name, port in ports_of(tool).items())
    gives = ", ".join(f"{name}{_port(port)}" for name, port in tool.outputs.items())
    params = "; ".join(
        f"{name} {_range(schema)}{' required' if name in required(tool) else ''}"
        for name, schema in parameters(tool, seed=True).items()
    )
    # What a server says of its own tool is no instruction.
    about = one_line(defused(tool.about), MAX_ABOUT)
    about = untrusted(about, tool.server) if tool.server else about
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


def _names_assets(value: object) -> bool:
    if isinstance(value, list):
        return all(_names_assets(item) for item in value)
    return isinstance(value, str) and re.fullmatch(r"a\d{1,6}", value) is not None


def _step(step: StepFact) -> str:
    about = dumps(step.about)
    if not all(_names_assets(value) for value in step.about.values()):
        about = untrusted(about, "inputs")  # words, perhaps of an earlier step
    line = f"{step.id} {step.tool} {about}: {step.status}"
    if step.assets:
        line += ", made " + ", ".join(f"[{name}]" for name in step.assets)
    if step.error:
        line += f", error: {untrusted(one_line(step.error, 500), 'error')}"
    return f"{line}\n{untrusted(step.text[:4000], step.tool)}" if step.text else line
