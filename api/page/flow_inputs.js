// The inputs of a workflow as a form: named, typed, with a default; and the constants of its steps that could become inputs.
import { button, element } from "./dom.js";
import { plain, words } from "./words.js";

const say = words({
  en: { intro: "What a run is given. Each stands in the graph as a box at the left; link it to as many steps as you like.", name: "Name", kind: "Kind", about: "What it is", fallback: "Default", required: "Required", many: "A list", add: "Add an input", none: "No inputs: each run does the same.", promote: "Make it an input", constants: "Fixed in the steps now", bad: "Lower case letters, digits and _, beginning with a letter; 32 at most.", taken: "There is an input of this name already.", fallbackAsset: "asset_… (optional)" },
  zh: { intro: "每次运行给定的内容。每项在图的左侧是一个方框，可连接到任意多个步骤。", name: "名称", kind: "类型", about: "说明", fallback: "默认值", required: "必填", many: "列表", add: "添加输入", none: "没有输入：每次运行都相同。", promote: "设为输入", constants: "目前固定在步骤中的值", bad: "小写字母、数字和 _，以字母开头，最多 32 个。", taken: "已有同名的输入。", fallbackAsset: "asset_…（可选）" },
});

const KINDS = ["text", "image", "audio", "video", "image|audio|video", "depth", "thermal", "imu", "mesh", "embedding"];
export const NAME = /^[a-z][a-z0-9_]{0,31}$/;
const listed = (bound) => (Array.isArray(bound) ? bound : [bound]);

/** Each binding of the plan through `change(binding)`; null takes it away. */
function bindings(plan, change) {
  const next = structuredClone(plan);
  for (const step of next.steps) {
    step.inputs = Object.fromEntries(Object.entries(step.inputs ?? {}).flatMap(([port, bound]) => {
      if (!Array.isArray(bound)) { const one = change(bound); return one === null ? [] : [[port, one]]; }
      const kept = bound.map(change).filter((one) => one !== null);
      return kept.length ? [[port, kept]] : [];
    }));
    if (step.map && !(step.map in step.inputs)) delete step.map;
  }
  return next;
}

/** The plan with an input under another name; null: without it. */
export const renamed = (plan, name, other) => bindings(plan, (one) => (one?.input === name ? (other === null ? null : { input: other }) : one));

/** Words and files that stand in the steps: `[{step, port, bound, modality}]`. */
export function constants(plan, tools) {
  return plan.steps.flatMap((step) => Object.entries(step.inputs ?? {}).flatMap(([port, bound]) => (Array.isArray(bound) ? [] : listed(bound)).filter((one) => typeof one === "string" || one.text !== undefined || one.asset !== undefined)
    .map((one) => ({ step: step.id, port, bound: one, modality: one.asset === undefined ? "text" : (tools.get(step.tool)?.inputs[port]?.modalities ?? []).filter((name) => name !== "embedding").join("|") || "image" }))));
}

/** A name like `wish` that no input has. */
export function freeName(inputs, wish) {
  const base = wish.toLowerCase().replace(/\W+/g, "_").replace(/^[^a-z]+/, "").slice(0, 28) || "input";
  let name = base, more = 2;
  while (name in inputs) name = `${base}_${more++}`;
  return name;
}

/** The form in `place`; `change({inputs, plan})` gets what becomes of both, with `redraw` when boxes come, go or change their kind. */
export function showInputs(place, { inputs, plan, tools, faults = [] }, change) {
  const alter = (name, members, redraw = false) => change({ inputs: { ...inputs, [name]: clean({ ...inputs[name], ...members }) }, plan, redraw });
  const clean = (input) => Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));

  function rename(name, field) {
    const other = field.value.trim();
    if (other === name) return;
    const wrong = !NAME.test(other) ? say("bad") : other in inputs ? say("taken") : "";
    field.setCustomValidity(wrong);
    if (wrong) { field.reportValidity(); return; }
    change({ inputs: Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key === name ? other : key, value])), plan: renamed(plan, name, other), redraw: true, focus: `name ${other}` });
  }

  function row([name, input]) {
    const kinds = KINDS.includes(input.modality) ? KINDS : [input.modality, ...KINDS];
    const own = faults.filter((fault) => fault.pointer?.startsWith(`/inputs/${name}`));
    const id = (what) => `input-${what}-${name}`;
    return element("li", { class: `input-row ${input.modality.split("|")[0]}` },
      element("label", { for: id("name") }, say("name")), element("input", { id: id("name"), "data-key": `name ${name}`, value: name, maxlength: 32, spellcheck: "false", onchange: (event) => rename(name, event.target), oninput: (event) => event.target.setCustomValidity("") }),
      element("label", { for: id("kind") }, say("kind")), element("select", { id: id("kind"), "data-key": `kind ${name}`, "aria-invalid": own.length ? "true" : null, onchange: (event) => alter(name, { modality: event.target.value }, true) },
        ...kinds.map((kind) => element("option", { value: kind, selected: kind === input.modality }, kind.split("|").map((one) => say(one)).join(" / ")))),
      element("label", { for: id("about") }, say("about")), element("input", { id: id("about"), value: input.about ?? "", maxlength: 300, oninput: (event) => { alter(name, { about: event.target.value }); inputs = { ...inputs, [name]: { ...inputs[name], about: event.target.value } }; } }),
      element("label", { for: id("default") }, say("fallback")), element("input", { id: id("default"), value: input.default ?? "", placeholder: input.modality === "text" ? "" : say("fallbackAsset"), oninput: (event) => { const value = event.target.value || undefined; alter(name, { default: value }); inputs = { ...inputs, [name]: clean({ ...inputs[name], default: value }) }; } }),
      element("span", { class: "row switches" },
        element("label", { class: "check" }, element("input", { type: "checkbox", checked: input.required !== false, onchange: (event) => alter(name, { required: event.target.checked }, true) }), say("required")),
        element("label", { class: "check" }, element("input", { type: "checkbox", checked: input.many === true, onchange: (event) => alter(name, { many: event.target.checked }, true) }), say("many")),
        element("span", { class: "space" }),
        button(`${say("remove")}: ${name}`, { drawing: "trash", bare: true, kind: "quiet danger", onclick: () => change({ inputs: Object.fromEntries(Object.entries(inputs).filter(([key]) => key !== name)), plan: renamed(plan, name, null), redraw: true, focus: "add" }) })),
      own.length ? element("p", { class: "fault tiny" }, own.map((fault) => `${fault.reason} ${fault.suggestion ?? ""}`).join("\n")) : null);
  }

  function promote({ step, port, bound, modality }) {
    const name = freeName(inputs, port), text = typeof bound === "string" ? bound : bound.text ?? bound.asset;
    const next = structuredClone(plan);
    next.steps.find((item) => item.id === step).inputs[port] = { input: name };
    change({ inputs: { ...inputs, [name]: { modality, about: "", required: false, default: text } }, plan: next, redraw: true, focus: `name ${name}` });
  }

  function add() {
    const name = freeName(inputs, "input");
    change({ inputs: { ...inputs, [name]: { modality: "text", about: "", required: true } }, plan, redraw: true, focus: `name ${name}` });
  }

  const fixed = constants(plan, tools);
  place.replaceChildren(
    element("p", { class: "soft" }, Object.keys(inputs).length ? say("intro") : say("none")),
    element("ul", { class: "input-rows" }, ...Object.entries(inputs).map(row)),
    button(say("add"), { drawing: "plus", "data-key": "add", onclick: add }),
    ...(fixed.length ? [element("h3", {}, say("constants")), element("ul", { class: "constants" }, ...fixed.map((one) => element("li", { class: "row" },
      element("span", {}, `${one.step} · ${plain(one.port)}`), element("q", { class: "soft" }, String(typeof one.bound === "string" ? one.bound : one.bound.text ?? one.bound.asset).slice(0, 60)), element("span", { class: "space" }),
      button(say("promote"), { kind: "quiet small", "aria-label": `${say("promote")}: ${one.step} ${plain(one.port)}`, onclick: () => promote(one) }))))] : []));
}
