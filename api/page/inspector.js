// One step of a plan as a form: its tool, what goes into it, its parameters, its model. What can be linked by dragging in the
// graph can be linked here with the keyboard.
import { upload } from "./client.js";
import { button, element, icon } from "./dom.js";
import { faultSpot, faultText, schemaForm } from "./forms.js";
import { tile } from "./media.js";
import * as edits from "./plan_edits.js";
import { plain, words } from "./words.js";

const say = words({
  en: {
    step: "Step",
    tool: "Tool",
    name: "Name",
    inputs: "Inputs",
    params: "Parameters",
    model: "Model",
    automatic: "automatic",
    nothing: "nothing",
    words: "words …",
    file: "a file …",
    another: "Add one more",
    removeStep: "Remove step",
    shows: "Show in the answer",
    each: "Once for each item of the list",
    each2: "Run once for each item of",
    seedAbout: "Equal seeds give equal results.",
    optional: "optional",
    noInputs: "Takes no inputs.",
    input: "input",
    notServed: "not served now",
    choose: "Choose a file",
  },
  zh: {
    step: "步骤",
    tool: "工具",
    name: "名称",
    inputs: "输入",
    params: "参数",
    model: "模型",
    automatic: "自动",
    nothing: "无",
    words: "文字…",
    file: "文件…",
    another: "再加一个",
    removeStep: "移除步骤",
    shows: "在回答中显示",
    each: "对列表的每一项运行一次",
    each2: "对每一项各运行一次：",
    seedAbout: "相同的种子给出相同的结果。",
    optional: "可选",
    noInputs: "没有输入。",
    input: "输入",
    notServed: "当前未提供",
    choose: "选择文件",
  },
});
const listed = (bound) => (bound === undefined ? [] : Array.isArray(bound) ? bound : [bound]);
const wordsOf = (bound) => (typeof bound === "string" ? bound : bound?.text);
let number = 0;

/** What a binding is, as the value of its select. */
function kindOf(bound) {
  if (bound === undefined) return "";
  if (wordsOf(bound) !== undefined) return "words";
  if ("asset" in bound) return "file";
  return "input" in bound ? `input:${bound.input}.value` : bound.from;
}

/** Elements that edit the step `id`. `change(plan, {redraw})` gets each new plan; typing in a field does not ask for a redraw. */
export function inspectStep({ plan, id, tools, inputs = {}, faults = [], live = false }, change) {
  const step = edits.stepOf(plan, id),
    tool = tools.get(step?.tool);
  if (!step) return [];
  let now = plan; // fields that are typed in change it without a redraw
  const alter = (next, options = {}) => {
    now = next;
    change(next, options);
  };
  const of = (field, name) =>
    faults.filter((fault) => fault.at.field === field && (name === undefined || (fault.at.port ?? fault.at.param) === name));

  function sources(port) {
    const found = [];
    for (const other of plan.steps) {
      for (const output of Object.keys(tools.get(other.tool)?.outputs ?? {})) {
        if (edits.fits(plan, { source: other.id, sourcePort: output, target: id, targetPort: port }, tools, inputs))
          found.push([`${other.id}.${output}`, `${other.id} · ${plain(output)}`]);
      }
    }
    for (const name of Object.keys(inputs)) {
      if (edits.fits(plan, { source: `input:${name}`, sourcePort: "value", target: id, targetPort: port }, tools, inputs))
        found.push([`input:${name}.value`, `${say("input")} · ${name}`]);
    }
    return found;
  }

  function setAt(port, place, bound) {
    const old = edits.stepOf(now, id).inputs?.[port],
      declared = tool.inputs[port];
    if (!declared.many) return edits.bind(now, id, port, bound);
    const list = [...listed(old)];
    if (bound === undefined) list.splice(place, 1);
    else list[place] = bound;
    return edits.bind(now, id, port, list);
  }

  function pickBinding(port, place, chosen, old) {
    if (chosen === "") return alter(setAt(port, place, undefined), { redraw: true });
    if (chosen === "words") return alter(setAt(port, place, { text: wordsOf(old) ?? "" }), { redraw: true });
    if (chosen === "file") return alter(setAt(port, place, { asset: old?.asset ?? "" }), { redraw: true });
    const at = chosen.lastIndexOf("."),
      link = { source: chosen.slice(0, at), sourcePort: chosen.slice(at + 1), target: id, targetPort: port };
    if (!tool.inputs[port].many) return alter(edits.connect(now, link, tools, inputs), { redraw: true });
    return alter(setAt(port, place, chosen.startsWith("input:") ? { input: link.source.slice(6) } : { from: chosen }), { redraw: true });
  }

  function fileField(port, place, bound, modality) {
    const trouble = element("span", { class: "fault", role: "alert" });
    const pick = element("input", {
      type: "file",
      tabindex: -1,
      "aria-label": say("choose"),
      onchange: async () => {
        try {
          const asset = await upload(pick.files[0]);
          alter(setAt(port, place, { asset: asset.id }), { redraw: true });
        } catch (error) {
          trouble.textContent = error.message;
        }
      },
    });
    return element(
      "span",
      { class: "row" },
      bound.asset && tile(bound.asset, modality, 32),
      button(say("choose"), { drawing: "clip", kind: "quiet small", onclick: () => pick.click() }),
      pick,
      trouble,
    );
  }

  function bindingField(port, declared, bound, place, label) {
    const key = `inputs.${port}.${place}`,
      field = `bound-${++number}`,
      wrong = of("inputs", port);
    const choose = element(
      "select",
      {
        id: field,
        "data-key": key,
        "aria-invalid": wrong.length ? "true" : null,
        onchange: () => pickBinding(port, place, choose.value, bound),
      },
      element("option", { value: "" }, `— ${say("nothing")} —`),
      ...sources(port).map(([value, shown]) => element("option", { value }, shown)),
      declared.modalities.some((kind) => ["text", "embedding"].includes(kind)) && element("option", { value: "words" }, say("words")),
      declared.modalities.some((kind) => kind !== "text" && kind !== "data") && element("option", { value: "file" }, say("file")),
    );
    const kind = kindOf(bound);
    if (kind && ![...choose.options].some((option) => option.value === kind)) choose.append(element("option", { value: kind }, kind));
    choose.value = kind;
    const write =
      kind === "words" &&
      element("textarea", {
        rows: 2,
        "aria-label": `${plain(port)}: ${say("text")}`,
        "data-key": `${key}.words`,
        value: wordsOf(bound),
        oninput: (event) => alter(setAt(port, place, { text: event.target.value })),
      });
    return element(
      "div",
      { class: "field" },
      element("label", { for: field }, label),
      element("div", { class: "inputs" }, choose),
      write,
      kind === "file" &&
        fileField(
          port,
          place,
          bound,
          declared.modalities.find((one) => one !== "text"),
        ),
    );
  }

  function portFields([port, declared]) {
    const bound = listed(step.inputs?.[port]),
      label = `${plain(port)}${declared.required ? "" : ` (${say("optional")})`}`;
    const rows = declared.many ? [...bound, undefined].slice(0, declared.max_items ?? 16) : [bound[0]];
    const list =
      Array.isArray(step.inputs?.[port]) === false &&
      bound.length &&
      !declared.many &&
      "from" in (bound[0] ?? {}) &&
      tools.get(edits.stepOf(plan, bound[0].from.split(".")[0])?.tool)?.outputs[bound[0].from.split(".")[1]]?.many;
    return element(
      "div",
      { class: `port ${edits.kindOf(declared)}`, "data-fault": `inputs.${port}` },
      ...rows.map((one, place) => bindingField(port, declared, one, place, declared.many ? `${label} ${place + 1}` : label)),
      list &&
        element(
          "label",
          { class: "check tiny" },
          element("input", {
            type: "checkbox",
            checked: step.map === port,
            onchange: (event) => alter(edits.changeStep(now, id, { map: event.target.checked ? port : undefined }), { redraw: true }),
          }),
          say("each"),
        ),
      element("p", { class: "tiny soft" }, faultSpot(of("inputs", port)), declared.about),
    );
  }

  const toolField = element(
    "select",
    {
      id: `tool-${++number}`,
      "data-key": "tool",
      onchange: () => alter(edits.changeTool(now, id, tools.get(toolField.value), tools, inputs), { redraw: true }),
    },
    ...[...tools.values()]
      .filter((one) => one.planned || one.name === step.tool)
      .map((one) => element("option", { value: one.name }, `${plain(one.name)}${one.live ? "" : ` (${say("notServed")})`}`)),
  );
  if (!tool) toolField.append(element("option", { value: step.tool }, step.tool));
  toolField.value = step.tool;
  const nameField = element("input", {
    id: `name-${number}`,
    "data-key": "name",
    value: id,
    pattern: "[a-z][a-z0-9_]{0,31}",
    onchange: () => {
      const free = !now.steps.some((other) => other.id === nameField.value);
      if (nameField.checkValidity() && free) alter(edits.renameStep(now, id, nameField.value), { redraw: true, select: nameField.value });
      else nameField.value = id;
    },
  });
  const outputs = Object.keys(tool?.outputs ?? {});
  const paramFaults = Object.fromEntries(Object.keys({ ...tool?.params?.properties, seed: 1 }).map((name) => [name, of("params", name)]));
  const seed = tool?.seeded ? { seed: { type: "integer", minimum: 0, description: say("seedAbout") } } : {};
  const hasParams = Object.keys(tool?.params?.properties ?? {}).length || tool?.seeded;
  const modelField =
    tool?.models?.length > 1 &&
    element(
      "select",
      {
        id: `model-${number}`,
        "data-key": "model",
        onchange: () => alter(edits.changeStep(now, id, { model: modelField.value || undefined })),
      },
      element("option", { value: "" }, say("automatic")),
      ...tool.models.map((model) => element("option", { value: model }, model)),
    );
  if (modelField) modelField.value = step.model ?? "";

  return [
    element(
      "div",
      { class: "field", "data-fault": "tool" },
      element("label", { for: toolField.id }, say("tool")),
      element("div", { class: "inputs" }, toolField),
      element("p", { class: "tiny soft" }, faultSpot(of("tool")), tool?.about ?? ""),
    ),
    !live &&
      element(
        "div",
        { class: "field", "data-fault": "id" },
        element("label", { for: nameField.id }, say("name")),
        element("div", { class: "inputs" }, nameField),
        element("p", { class: "tiny soft" }, faultSpot(of("id"))),
      ),
    element("h3", {}, say("inputs")),
    element("p", { class: "tiny", "data-fault": "inputs" }, faultSpot(of("inputs").filter((fault) => !fault.at.port))),
    ...(tool && Object.keys(tool.inputs).length
      ? Object.entries(tool.inputs).map(portFields)
      : [element("p", { class: "tiny soft" }, say("noInputs"))]),
    hasParams && element("h3", {}, say("params")),
    ...of("params")
      .filter((fault) => !(fault.at.param in paramFaults))
      .map((fault) => element("p", { class: "tiny" }, faultText(fault))),
    hasParams &&
      schemaForm(tool.params, step.params ?? {}, (params, options) => alter(edits.changeStep(now, id, { params }), options), {
        faults: paramFaults,
        extra: seed,
      }),
    modelField &&
      element(
        "div",
        { class: "field", "data-fault": "model" },
        element("label", { for: modelField.id }, say("model")),
        element("div", { class: "inputs" }, modelField),
        element("p", { class: "tiny soft" }, faultSpot(of("model"))),
      ),
    ...outputs.map((output) =>
      element(
        "label",
        { class: "check" },
        element("input", {
          type: "checkbox",
          "data-key": `show.${output}`,
          checked: plan.reply?.show?.includes(`${id}.${output}`),
          onchange: (event) => {
            const link = { source: id, sourcePort: output, target: "reply", targetPort: "show" };
            alter(event.target.checked ? edits.connect(now, link, tools, inputs) : edits.disconnect(now, link), { redraw: true });
          },
        }),
        `${say("shows")}: ${plain(output)}`,
      ),
    ),
    element(
      "div",
      { class: "row" },
      button(say("removeStep"), {
        drawing: "trash",
        kind: "quiet small danger",
        onclick: () => alter(edits.removeStep(now, id), { redraw: true, select: null }),
      }),
    ),
  ].filter(Boolean);
}

/** The faults of one field of a step, by the key that its field carries. */
export const faultsOf = (faults, key) => faults.filter(({ at }) => [at.field, at.port ?? at.param].filter(Boolean).join(".") === key);

/** A searchable list of tools; `onPick(tool)`. */
export function palette(tools, onPick) {
  const field = element("input", {
    type: "search",
    id: `palette-${++number}`,
    placeholder: say("tool"),
    "aria-label": say("tool"),
    autocomplete: "off",
  });
  const list = element("ul", { class: "palette" });
  const show = () => {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [...tools.values()]
      .filter((tool) => tool.planned && wanted.every((word) => `${plain(tool.name)} ${tool.about}`.toLowerCase().includes(word)))
      .sort((a, b) => Number(b.live) - Number(a.live));
    list.replaceChildren(
      ...found.map((tool) =>
        element(
          "li",
          {},
          element(
            "button",
            {
              type: "button",
              class: "quiet",
              draggable: "true",
              onclick: () => onPick(tool),
              ondragstart: (event) => {
                event.dataTransfer.setData("application/x-medley-tool", tool.name);
                event.dataTransfer.effectAllowed = "copy";
              },
            },
            element(
              "span",
              { class: `kind ${edits.kindOf(Object.values(tool.outputs)[0])}` },
              icon(edits.kindOf(Object.values(tool.outputs)[0])),
            ),
            element(
              "span",
              { class: "words" },
              element("b", {}, plain(tool.name)),
              element("span", { class: "tiny soft" }, tool.live ? tool.about : `${say("notServed")} · ${tool.about}`),
            ),
          ),
        ),
      ),
    );
  };
  field.addEventListener("input", show);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      list.querySelector("button")?.click();
    }
    if (event.key === "ArrowDown") {
      event.preventDefault();
      list.querySelector("button")?.focus();
    }
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (!step) return;
    event.preventDefault();
    (event.target.closest("li")?.[step]?.querySelector("button") ?? field).focus();
  });
  show();
  return { node: element("div", { class: "picker" }, field, list), field };
}
