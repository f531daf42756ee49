"""Fitting: the parameters of a step to the model that runs it. Pure.

A tool declares what every model of it understands; an entry of the catalogue may say what its own
model does when nothing is said (`defaults`), which values it can use (`ranges`), and what it takes
that not every model does (`extras`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from medley.backend import ModelSpec
from medley.gate import Fault
from medley.tools import Tool


def filled(params: Mapping[str, Any], tool: Tool, model: ModelSpec) -> dict[str, Any]:
    """The parameters with the model's defaults where nothing was said. Where the tool's own default
    is beyond what the model can use, the nearest value that it can use is set.
    """
    given = {name: value for name, value in params.items() if value is not None}
    own = _of_tool(model.defaults, tool)
    for name, (least, most) in _of_tool(model.ranges, tool).items():
        default = _default(tool, name)
        if name not in own and isinstance(default, int | float):
            nearest = min(max(default, least), most)
            if nearest != default:
                own[name] = type(default)(nearest)
    return {**params, **{name: value for name, value in own.items() if name not in given}}


def out_of_range(
    params: Mapping[str, Any], tool: Tool, model: ModelSpec, at: str
) -> Iterator[Fault]:
    """A fault for each value that this model cannot use; `at` points at the parameters."""
    for name, (least, most) in _of_tool(model.ranges, tool).items():
        value = params.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if not least <= value <= most:
            yield Fault(
                f"{at}/{name}",
                f"{model.id} takes {name} from {least:g} to {most:g}, got {value:g}.",
                f"Use {min(max(value, least), most):g}, leave it out, or pin another model.",
            )


def not_taken(
    given: Mapping[str, Any], tool: Tool, model: ModelSpec, others: Iterable[ModelSpec], at: str
) -> Iterator[Fault]:
    """A fault for each of these parameters or inputs that the tool has and this model does not
    take; `at` points at them. What is as good as left out is no fault. `others`: all that serve.
    """
    extras = tool.extras
    for name, value in given.items():
        place = f"{tool.name}.{name}"
        if name not in extras or value == extras[name] or place in model.extras:
            continue
        able = sorted(other.id for other in others if place in other.extras)
        remedy = f", or pin a model that takes it: {', '.join(able)}." if able else "."
        yield Fault(f"{at}/{name}", f"{model.id} takes no {name}.", f"Leave it out{remedy}")


def _of_tool(table: Mapping[str, Any], tool: Tool) -> dict[str, Any]:
    start = f"{tool.name}."
    return {name[len(start) :]: value for name, value in table.items() if name.startswith(start)}


def _default(tool: Tool, name: str) -> Any:
    field = tool.params.model_fields.get(name)
    return None if field is None else field.default
