// One step of a job, looked at closely: what it read, what it gave, how long it took; and run again from here, as it was or changed.
import { post } from "./client.js";
import { describe } from "./composer.js";
import { button, element } from "./dom.js";
import { schemaForm } from "./forms.js";
import { figures } from "./media.js";
import { duration, plain, words } from "./words.js";

const say = words({
  en: {
    again: "Run again from here",
    changed: "Change parameters and run again from here. What came before is kept.",
    inputs: "Inputs",
    outputs: "Outputs",
    usage: "Used",
    from: "from {step}",
    worker: "Worker",
    model: "Model",
    took: "Took",
    seedAbout: "Equal seeds give equal results.",
  },
  zh: {
    again: "从这里重新运行",
    changed: "可修改参数并从这里重新运行，之前的结果会保留。",
    inputs: "输入",
    outputs: "输出",
    usage: "用量",
    from: "来自 {step}",
    worker: "工作进程",
    model: "模型",
    took: "用时",
    seedAbout: "相同的种子给出相同的结果。",
  },
});

const partView = (part) =>
  part.text !== null && part.text !== undefined
    ? element("p", { class: "said" }, part.text)
    : part.data !== null && part.data !== undefined
      ? element("pre", {}, JSON.stringify(part.data, null, 1))
      : null;

function boundView(bound) {
  if (Array.isArray(bound)) return element("span", {}, ...bound.flatMap((one) => [boundView(one), " "]));
  if (typeof bound === "string" || bound?.text !== undefined) return element("q", {}, bound.text ?? bound);
  if (bound?.from) return element("code", {}, bound.from);
  return bound?.asset ? element("a", { href: `#/assets/${bound.asset}` }, bound.asset.slice(0, 16)) : "";
}

/** Elements for the step; `onAgain(job)` gets the new job. */
export function stepPanel(job, step, tool, { ended, onAgain, onClose }) {
  let params = { ...step.params };
  const trouble = element("div", { class: "error", role: "alert" });
  const whole = ["plan", "answer"].includes(step.tool);
  const outputs = Object.values(step.outputs).flat();
  const media = outputs
    .filter((part) => part.asset)
    .map((part) => ({ asset: part.asset, type: part.modality, step: step.id, name: `${step.id}` }));
  const form = element("div", {}),
    seed = tool?.seeded ? { seed: { type: "integer", minimum: 0, description: say("seedAbout") } } : {};
  const drawForm = () =>
    form.replaceChildren(
      schemaForm(
        tool.params,
        params,
        (next, { redraw } = {}) => {
          params = next;
          if (redraw) drawForm();
        },
        { extra: seed },
      ),
    );
  const hasForm = !whole && tool && (Object.keys(tool.params?.properties ?? {}).length || tool.seeded);

  if (hasForm) drawForm();

  async function again() {
    try {
      const changed = Object.fromEntries(
        Object.entries(params).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(step.params[name])),
      );
      for (const name of Object.keys(step.params))
        if (!(name in params) && tool.params?.properties?.[name]?.default !== undefined)
          changed[name] = tool.params.properties[name].default;
      onAgain(
        await post(`/v1/jobs/${job.id}/retry`, { from: step.id, overrides: Object.keys(changed).length ? { [step.id]: changed } : {} }),
      );
    } catch (error) {
      trouble.replaceChildren(...describe(error));
    }
  }

  const facts = [
    [say("model"), step.model],
    [say("took"), step.started_at && step.completed_at && duration((Date.parse(step.completed_at) - Date.parse(step.started_at)) / 1000)],
    ...Object.entries(step.usage ?? {})
      .filter(([name]) => name !== "seconds")
      .map(([name, value]) => [plain(name), String(value)]),
  ].filter(([, value]) => value);
  return [
    element(
      "div",
      { class: "row" },
      element("h2", {}, `${step.id === step.tool ? "" : `${step.id} · `}${plain(step.tool)}`),
      element("span", { class: "space" }),
      button(say("close"), { drawing: "close", bare: true, onclick: onClose }),
    ),
    element("p", { class: `state ${step.status}` }, element("i", { class: "dot" }), say(step.status)),
    step.error && element("p", { class: "error" }, step.error.message ?? JSON.stringify(step.error)),
    element("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
    Object.keys(step.inputs).length > 0 && element("h3", {}, say("inputs")),
    element(
      "dl",
      { class: "facts" },
      ...Object.entries(step.inputs).flatMap(([name, bound]) => [element("dt", {}, plain(name)), element("dd", {}, boundView(bound))]),
    ),
    outputs.length > 0 && element("h3", {}, say("outputs")),
    ...(whole && step.tool === "plan" ? [] : outputs.map(partView)),
    media.length > 0 && element("div", { class: "media small" }, ...figures(media)),
    ended && hasForm && element("p", { class: "tiny soft" }, say("changed")),
    ended && hasForm && form,
    ended && element("div", { class: "row" }, button(say("again"), { drawing: "again", onclick: again })),
    trouble,
  ].filter(Boolean);
}
