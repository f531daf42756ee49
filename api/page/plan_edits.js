// Changes to a plan, as pure functions: each takes a plan and gives a new one. What fits is judged here only to help the hand;
// the service's gate has the last word.

const EMBEDDABLE = new Set(["text", "image", "audio", "video"]);

const isOutput = (bound) => bound && typeof bound === "object" && "from" in bound;
const listed = (bound) => (bound === undefined ? [] : Array.isArray(bound) ? bound : [bound]);
const split = (source) => { const at = source.indexOf("."); return [source.slice(0, at), source.slice(at + 1)]; };

/** The one modality of a port, which gives its colour; "any" where it takes several. */
export const kindOf = (port) => (port?.modalities.length === 1 ? port.modalities[0] : port ? "any" : "data");

/** A deep copy that may be changed. */
export const copyOf = (plan) => structuredClone({ steps: plan.steps ?? [], reply: { text: "", show: [], ...plan.reply } });

export const stepOf = (plan, id) => plan.steps.find((step) => step.id === id);

/** Every link of the plan: `{source, sourcePort, target, targetPort, place, item}`. The source of a workflow's input is
 * `"input:<name>"`; what the reply shows goes to the target `"reply"`; `after` is a link without ports. */
export function linksOf(plan) {
  const links = [];
  for (const step of plan.steps) {
    for (const [port, bound] of Object.entries(step.inputs ?? {})) {
      listed(bound).forEach((one, place) => {
        const at = { target: step.id, targetPort: port, place: Array.isArray(bound) ? place : null };
        if (isOutput(one)) { const [source, sourcePort] = split(one.from); links.push({ source, sourcePort, item: one.item, ...at }); }
        else if (one && typeof one === "object" && "input" in one) links.push({ source: `input:${one.input}`, sourcePort: "value", ...at });
      });
    }
    for (const source of step.after ?? []) links.push({ source, sourcePort: null, target: step.id, targetPort: null, place: null });
  }
  (plan.reply?.show ?? []).forEach((shown, place) => { const [source, sourcePort] = split(shown); links.push({ source, sourcePort, target: "reply", targetPort: "show", place }); });
  return links;
}

/** A step id that is free. */
export function freeId(plan) {
  const taken = new Set(plan.steps.map((step) => step.id));
  let number = plan.steps.length + 1;
  while (taken.has(`s${number}`)) number += 1;
  return `s${number}`;
}

/** Adds a step of a tool; with `shown` its first output becomes part of the reply. `{plan, id}`. */
export function addStep(plan, tool, shown = false) {
  const next = copyOf(plan), id = freeId(plan), output = Object.keys(tool.outputs)[0];
  next.steps.push({ id, tool: tool.name, inputs: {}, params: {} });
  if (shown && output) next.reply.show.push(`${id}.${output}`);
  return { plan: next, id };
}

/** Without a step, and without all that read it. */
export function removeStep(plan, id) {
  const next = copyOf(plan);
  next.steps = next.steps.filter((step) => step.id !== id);
  for (const step of next.steps) {
    step.inputs = Object.fromEntries(Object.entries(step.inputs ?? {}).flatMap(([port, bound]) => {
      const kept = listed(bound).filter((one) => !isOutput(one) || split(one.from)[0] !== id);
      if (Array.isArray(bound)) return kept.length ? [[port, kept]] : [];
      return kept.length ? [[port, bound]] : [];
    }));
    if (step.after) step.after = step.after.filter((other) => other !== id);
  }
  next.reply.show = next.reply.show.filter((shown) => split(shown)[0] !== id);
  return next;
}

/** The step under another id, everywhere. */
export function renameStep(plan, id, name) {
  const next = copyOf(plan), moved = (source) => (split(source)[0] === id ? `${name}.${split(source)[1]}` : source);
  for (const step of next.steps) {
    if (step.id === id) step.id = name;
    for (const bound of Object.values(step.inputs ?? {})) for (const one of listed(bound)) if (isOutput(one)) one.from = moved(one.from);
    if (step.after) step.after = step.after.map((other) => (other === id ? name : other));
  }
  next.reply.show = next.reply.show.map(moved);
  return next;
}

/** Changes members of a step; `undefined` takes one away. */
export function changeStep(plan, id, changes) {
  const next = copyOf(plan), step = stepOf(next, id);
  for (const [name, value] of Object.entries(changes)) { if (value === undefined) delete step[name]; else step[name] = value; }
  return next;
}

/** Gives an input another binding (or list of bindings); `undefined` empties it. */
export function bind(plan, id, port, bound) {
  const next = copyOf(plan), step = stepOf(next, id);
  step.inputs = { ...step.inputs };
  if (bound === undefined || (Array.isArray(bound) && !bound.length)) delete step.inputs[port];
  else step.inputs[port] = bound;
  if (step.map === port && !(port in step.inputs)) delete step.map;
  return next;
}

/** Another tool in the same step: inputs and parameters stay where the new one has them, else they move to the first port that fits. */
export function changeTool(plan, id, tool, tools, inputs) {
  const next = copyOf(plan), step = stepOf(next, id), kept = {}, old = tools.get(step.tool);
  for (const [port, bound] of Object.entries(step.inputs ?? {})) {
    const kinds = listed(bound).flatMap((one) => kindsOf(next, one, tools, inputs, old?.inputs[port]?.modalities));
    const home = tool.inputs[port] && takes(tool.inputs[port], kinds) ? port : Object.keys(tool.inputs).find((name) => !(name in kept) && takes(tool.inputs[name], kinds));
    if (home) kept[home] = tool.inputs[home].many === Array.isArray(bound) ? bound : tool.inputs[home].many ? listed(bound) : listed(bound)[0];
  }
  const params = tool.params?.properties ?? {};
  step.tool = tool.name;
  step.inputs = kept;
  step.params = Object.fromEntries(Object.entries(step.params ?? {}).filter(([name]) => name in params || (name === "seed" && tool.seeded)));
  delete step.model;
  delete step.map;
  const first = Object.keys(tool.outputs)[0];
  const moved = (source) => { const [from, port] = split(source); return from === id && !(port in tool.outputs) && first ? `${id}.${first}` : source; };
  for (const other of next.steps) for (const bound of Object.values(other.inputs ?? {})) for (const one of listed(bound)) if (isOutput(one)) one.from = moved(one.from);
  next.reply.show = next.reply.show.map(moved);
  return next;
}

/** Modalities that a binding can bring; an asset's are those that its port takes, since the gate knows better. */
function kindsOf(plan, bound, tools, inputs, fallback = []) {
  if (isOutput(bound)) return outputKinds(plan, bound.from, tools);
  if (typeof bound === "string" || "text" in bound) return ["text"];
  if ("input" in bound) return inputs?.[bound.input] ? inputs[bound.input].modality.split("|") : fallback;
  return fallback;
}

/** Modalities of `"s1.image"`. */
export function outputKinds(plan, source, tools) {
  const [id, port] = split(source);
  return tools.get(stepOf(plan, id)?.tool)?.outputs[port]?.modalities ?? [];
}

/** Whether a port may take one of these modalities: itself, or, where it wants an embedding, what can be embedded. */
export function takes(port, kinds) {
  return kinds.some((kind) => port.modalities.includes(kind) || (port.modalities.includes("embedding") && EMBEDDABLE.has(kind)));
}

/** Whether `target` comes before `source` already, so that linking them would close a circle. */
function closesCircle(plan, source, target) {
  const needs = new Map(plan.steps.map((step) => [step.id, new Set()]));
  for (const link of linksOf(plan)) needs.get(link.target)?.add(link.source);
  const seen = new Set(), left = [source];
  while (left.length) {
    const at = left.pop();
    if (at === target) return true;
    if (!seen.has(at)) { seen.add(at); left.push(...(needs.get(at) ?? [])); }
  }
  return false;
}

/** Whether `source.sourcePort` may be linked to `target.targetPort`. */
export function fits(plan, { source, sourcePort, target, targetPort }, tools, inputs = {}) {
  if (source === target) return false;
  if (target === "reply") return !source.startsWith("input:");
  const port = tools.get(stepOf(plan, target)?.tool)?.inputs[targetPort];
  if (!port || closesCircle(plan, source, target)) return false;
  const kinds = source.startsWith("input:") ? (inputs[source.slice(6)]?.modality ?? "").split("|") : outputKinds(plan, `${source}.${sourcePort}`, tools);
  return takes(port, kinds);
}

/** Links an output to an input. A port of many gets one more; a list that goes to a port of one makes the step run for each item. */
export function connect(plan, { source, sourcePort, target, targetPort }, tools, inputs = {}) {
  if (target === "reply") {
    const next = copyOf(plan), shown = `${source}.${sourcePort}`;
    if (!next.reply.show.includes(shown)) next.reply.show.push(shown);
    return next;
  }
  const bound = source.startsWith("input:") ? { input: source.slice(6) } : { from: `${source}.${sourcePort}` };
  const step = stepOf(plan, target), port = tools.get(step.tool).inputs[targetPort];
  const next = bind(plan, target, targetPort, port.many ? [...listed(step.inputs?.[targetPort]), bound] : bound);
  const list = source.startsWith("input:") ? inputs[source.slice(6)]?.many : tools.get(stepOf(plan, source)?.tool)?.outputs[sourcePort]?.many;
  const changed = stepOf(next, target);
  if (list && !port.many) changed.map = targetPort;
  else if (changed.map === targetPort) delete changed.map;
  return next;
}

/** Without one link. */
export function disconnect(plan, { source, sourcePort, target, targetPort, place }) {
  if (target === "reply") { const next = copyOf(plan); next.reply.show = next.reply.show.filter((shown) => shown !== `${source}.${sourcePort}`); return next; }
  if (targetPort === null) { const next = copyOf(plan); stepOf(next, target).after = stepOf(next, target).after.filter((other) => other !== source); return next; }
  const bound = stepOf(plan, target).inputs[targetPort];
  return bind(plan, target, targetPort, place === null ? undefined : bound.filter((_, number) => number !== place));
}

/** Where a pointer such as `/plan/steps/1/inputs/image` points: `{step, port, param, field}`; null outside of the steps. */
export function placeOf(pointer, plan) {
  const names = (pointer ?? "").split("/").slice(1);
  const at = names.indexOf("steps");
  if (at < 0 || names[at + 1] === undefined) return names.includes("reply") ? { step: "reply", field: "show" } : null;
  const [, number, field, name] = names.slice(at);
  const step = plan.steps[Number(number)]?.id;
  if (!step) return null;
  return { step, field: field ?? null, port: field === "inputs" ? name ?? null : null, param: field === "params" ? name ?? null : null };
}
