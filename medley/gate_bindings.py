"""Gate, bindings: whether what an input gets is there and fits. Pure.

A binding fits when its modality is one that the port takes, when media or words stand where an
embedding is read, and when a list stands only where one is taken.
"""

from collections.abc import Iterable, Iterator

from medley.known import Fault, Known
from medley.modality import Modality
from medley.nearest import nearest_name
from medley.plan import AssetBinding, Binding, InputBinding, OutputBinding, Plan, TextBinding
from medley.tools import Port, Toolbox

EMBEDDABLE = frozenset({Modality.TEXT, Modality.IMAGE, Modality.AUDIO, Modality.VIDEO})


def output_modalities(binding: OutputBinding, plan: Plan, tools: Toolbox) -> frozenset[Modality]:
    """What an output may be. Raises `KeyError` when the step, its tool or the port is unknown."""
    return tools[plan.step(binding.step).tool].outputs[binding.port].accepts


def gives_list(binding: OutputBinding, plan: Plan, tools: Toolbox) -> bool:
    """Whether an output is a list as a whole. False for what does not exist."""
    try:
        step = plan.step(binding.step)
        port = tools[step.tool].outputs[binding.port]
    except KeyError:
        return False
    return binding.item is None and (port.many or step.map is not None)


def port_faults(
    at: str,
    item: Port,
    bound: Binding | list[Binding],
    plan: Plan,
    known: Known,
    *,
    each: bool = False,
) -> Iterator[Fault]:
    """What is wrong with what a port gets. `each`: the step is run for each item of it."""
    if not isinstance(bound, list):
        if each and not (isinstance(bound, OutputBinding) and gives_list(bound, plan, known.tools)):
            reason = "There is no list here to run the step for each of."
            yield Fault(at, reason, 'Leave "map" out, or give a list.')
        yield from _binding(at, item, bound, plan, known, each=each)
        return
    if each:
        most = known.limits.max_fan_out
        if not 1 <= len(bound) <= most:
            reason = f"A step is run for 1 to {most} items, got {len(bound)}."
            yield Fault(at, reason, "Use a shorter list." if bound else "Give at least one.")
    elif not item.many:
        yield Fault(at, "Takes one value, got a list.", "Use one step for each.")
    elif not 1 <= len(bound) <= item.max_items:
        reason = f"Takes 1 to {item.max_items} values, got {len(bound)}."
        yield Fault(at, reason, "Use a shorter list." if bound else "Give at least one.")
    for place, single in enumerate(bound):
        yield from _binding(f"{at}/{place}", item, single, plan, known, each=each)


def _binding(
    at: str, item: Port, binding: Binding, plan: Plan, known: Known, *, each: bool = False
) -> Iterator[Fault]:
    match binding:
        case AssetBinding(asset=name) if name not in known.assets:
            here = nearest_name(name, known.assets)
            yield Fault(at, f"There is no asset {name!r} here.", here)
            return
        case InputBinding(input=name) if name not in known.inputs:
            yield Fault(at, f"There is no input {name!r}.", nearest_name(name, known.inputs))
            return
        case OutputBinding():
            try:
                output_modalities(binding, plan, known.tools)
            except KeyError:
                yield dangling(at, binding, plan, known.tools)
                return
    found = kinds_of(binding, plan, known)
    embedded = not found & item.accepts and _coercible(found, item, known.tools)
    if isinstance(binding, OutputBinding):
        yield from _list_output(at, item, binding, plan, known, embedded=embedded, each=each)
    if not found & item.accepts and not embedded:
        reason = f"Got {_list(found)}; takes {words(item)}."
        unembedded = Modality.EMBEDDING in item.accepts and found & EMBEDDABLE
        if unembedded and (barred := known.barred.get("embed")):
            reason += f" It cannot be embedded: {barred.reason}"
        yield Fault(at, reason, _converter(found, item, known.tools))


def kinds_of(binding: Binding, plan: Plan, known: Known) -> frozenset[Modality]:
    """What a binding may be; nothing where that cannot be told."""
    match binding:
        case TextBinding():
            return frozenset({Modality.TEXT})
        case AssetBinding(asset=name):
            return frozenset({known.assets[name]}) if name in known.assets else frozenset()
        case InputBinding(input=name):
            return known.inputs.get(name, frozenset())
    try:
        return output_modalities(binding, plan, known.tools)
    except KeyError:
        return frozenset()


def _list_output(
    at: str,
    item: Port,
    binding: OutputBinding,
    plan: Plan,
    known: Known,
    *,
    embedded: bool,
    each: bool,
) -> Iterator[Fault]:
    """A list where one value is taken, or an item beyond the longest list."""
    given = known.tools[plan.step(binding.step).tool].outputs[binding.port]
    whole = gives_list(binding, plan, known.tools)
    if whole and not each and (embedded or not item.many):
        remedy = 'Pick one with "item", or run the step for each with "map".'
        yield Fault(at, f"{binding.source} is a list.", remedy)
    if given.many and (binding.item or 0) >= given.max_items:
        reason = f"{binding.source} has at most {given.max_items} items."
        yield Fault(at, reason, f'Pick an "item" from 0 to {given.max_items - 1}.')


def _coercible(found: frozenset[Modality], item: Port, tools: Toolbox) -> bool:
    """Where an embedding is wanted, media and words will do: an `embed` step is put in between."""
    return Modality.EMBEDDING in item.accepts and bool(found & EMBEDDABLE) and "embed" in tools


def dangling(at: str, binding: OutputBinding, plan: Plan, tools: Toolbox) -> Fault:
    """The fault of an output that there is not."""
    ids = [step.id for step in plan.steps]
    if binding.step not in ids:
        return Fault(at, f"There is no step {binding.step!r}.", nearest_name(binding.step, ids))
    tool = tools.get(plan.step(binding.step).tool)
    if tool is None:
        reason = f"Reads step {binding.step!r}, whose tool cannot be used."
        return Fault(at, reason, f"Give step {binding.step!r} a tool that can be used.")
    return Fault(
        at, f"{tool.name} gives no {binding.port!r}.", f"It gives: {', '.join(tool.outputs)}."
    )


def _converter(found: frozenset[Modality], item: Port, tools: Toolbox) -> str:
    for tool in tools.values():
        takes = any(found & given.accepts for given in tool.inputs.values() if given.required)
        if (
            takes
            and len(tool.inputs) == 1
            and any(out.accepts & item.accepts for out in tool.outputs.values())
        ):
            return f"The tool {tool.name!r} makes {words(item)} of {_list(found)}."
    return f"Give {words(item)}."


def words(item: Port) -> str:
    """What a port takes, as words."""
    return _list(item.accepts)


def _list(modalities: Iterable[Modality]) -> str:
    return " or ".join(sorted(modality.value for modality in modalities))
