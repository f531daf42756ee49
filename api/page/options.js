// How a request should be done: what should come of it, seed, best-of, approval, budgets, models. What is chosen outlives a reload.
import { element } from "./dom.js";
import { plain, words } from "./words.js";

const say = words({
  en: {
    title: "Options",
    outputs: "What should come of it",
    outputsAbout: "Nothing chosen: the hub decides.",
    seed: "Seed",
    seedAbout: "Equal seeds give equal results; empty: a new one each time.",
    bestOf: "Best of",
    bestAbout: "Draw so many candidates, take the one that fits best.",
    approve: "Stop at the plan until I approve it",
    ask: "The hub may ask back",
    commercial: "Only models whose licence permits commercial use",
    maxGpu: "At most so many accelerator seconds",
    maxSteps: "At most so many steps",
    redraws: "Redraws below the least score",
    minScore: "Least score (−1 to 1)",
    instructions: "Instructions",
    instructionsAbout: "How to go about it; kept apart from the request.",
    models: "Models",
    automatic: "automatic",
    budget: "Budget",
    priority: "Priority",
    priorityAbout: "Higher runs earlier.",
    tokens: "At most so many tokens per step",
  },
  zh: {
    title: "选项",
    outputs: "想要的结果",
    outputsAbout: "不选则由中枢决定。",
    seed: "种子",
    seedAbout: "相同的种子给出相同的结果；留空则每次不同。",
    bestOf: "候选数",
    bestAbout: "生成若干候选，取最合适的一个。",
    approve: "先停在计划，等我批准",
    ask: "中枢可以提问",
    commercial: "只用许可商用的模型",
    maxGpu: "加速器秒数上限",
    maxSteps: "步骤数上限",
    redraws: "低于最低分时重画次数",
    minScore: "最低分（−1 到 1）",
    instructions: "说明",
    instructionsAbout: "如何去做；与请求分开保存。",
    models: "模型",
    automatic: "自动",
    budget: "预算",
    priority: "优先级",
    priorityAbout: "越高越早运行。",
    tokens: "每步词元上限",
  },
});
const KEEP = "options",
  OUTPUTS = ["text", "image", "audio", "video"];

/** `{node, body(), fill(tools)}`: `body()` gives the members of a job besides its input. */
export function optionsPanel() {
  const kept = JSON.parse(localStorage.getItem(KEEP) ?? "{}");
  const remember = () => localStorage.setItem(KEEP, JSON.stringify(kept));
  const keep = (name, value) => {
    if (value === undefined || value === "" || value === false) delete kept[name];
    else kept[name] = value;
    remember();
  };
  const models = element("fieldset", { class: "models", hidden: true });

  const number = (name, label, attributes, about) =>
    element(
      "div",
      { class: "field" },
      element("label", { for: `option-${name}` }, say(label)),
      element("input", {
        id: `option-${name}`,
        type: "number",
        value: kept[name] ?? "",
        "aria-describedby": about ? `option-${name}-about` : null,
        ...attributes,
        oninput: (event) => keep(name, event.target.value === "" || !event.target.validity.valid ? undefined : Number(event.target.value)),
      }),
      about && element("p", { id: `option-${name}-about`, class: "tiny soft" }, say(about)),
    );
  const check = (name, label, byDefault = false) =>
    element(
      "label",
      { class: "check" },
      element("input", {
        id: `option-${name}`,
        type: "checkbox",
        checked: kept[name] ?? byDefault,
        onchange: (event) => {
          kept[name] = event.target.checked;
          remember();
        },
      }),
      say(label),
    );
  const outputs = element(
    "fieldset",
    {},
    element("legend", { class: "label" }, say("outputs")),
    element(
      "div",
      { class: "row" },
      ...OUTPUTS.map((kind) =>
        element(
          "label",
          { class: "check pill" },
          element("input", {
            type: "checkbox",
            name: "outputs",
            value: kind,
            checked: kept.outputs?.includes(kind),
            onchange: () => keep("outputs", chosen().length ? chosen() : undefined),
          }),
          say(kind),
        ),
      ),
    ),
    element("p", { class: "tiny soft" }, say("outputsAbout")),
  );
  const chosen = () => [...outputs.querySelectorAll("input:checked")].map((input) => input.value);
  const instructions = element(
    "div",
    { class: "field" },
    element("label", { for: "option-instructions" }, say("instructions")),
    element("textarea", {
      id: "option-instructions",
      rows: 2,
      value: kept.instructions ?? "",
      oninput: (event) => keep("instructions", event.target.value.trim()),
    }),
    element("p", { class: "tiny soft" }, say("instructionsAbout")),
  );

  const node = element(
    "section",
    { class: "options card", hidden: true, "aria-label": say("title") },
    outputs,
    element(
      "div",
      { class: "fields" },
      number("seed", "seed", { min: 0, step: 1 }, "seedAbout"),
      number("best_of", "bestOf", { min: 1, max: 8, step: 1, placeholder: "1" }, "bestAbout"),
      number("priority", "priority", { min: -10, max: 10, step: 1, placeholder: "0" }, "priorityAbout"),
    ),
    element("div", { class: "checks" }, check("approve", "approve"), check("ask", "ask", true), check("commercial_only", "commercial")),
    instructions,
    element(
      "fieldset",
      {},
      element("legend", { class: "label" }, say("budget")),
      element(
        "div",
        { class: "fields" },
        number("max_gpu_seconds", "maxGpu", { min: 0, step: "any" }),
        number("max_steps", "maxSteps", { min: 1, max: 256, step: 1 }),
        number("max_output_tokens", "tokens", { min: 1, max: 100000, step: 1 }),
        number("min_score", "minScore", { min: -1, max: 1, step: "any" }),
        number("max_redraws", "redraws", { min: 0, max: 8, step: 1, placeholder: "0" }),
      ),
    ),
    models,
  );

  return {
    node,
    body() {
      const { outputs: wanted, instructions: how, approve, priority, models: pinned, ...options } = kept;
      return {
        ...(wanted ? { outputs: wanted } : {}),
        ...(how ? { instructions: how } : {}),
        ...(priority ? { priority } : {}),
        options: {
          ...options,
          ...(approve ? { approve: "plan" } : {}),
          ...(pinned && Object.keys(pinned).length ? { models: pinned } : {}),
        },
      };
    },
    /** Fields for tools that more than one model serves. */
    fill(tools) {
      const several = [...tools.values()].filter((tool) => tool.models.length > 1);
      for (const name of Object.keys(kept.models ?? {}))
        if (!several.some((tool) => tool.name === name && tool.models.includes(kept.models[name]))) delete kept.models[name];
      models.hidden = !several.length;
      models.replaceChildren(
        element("legend", { class: "label" }, say("models")),
        element(
          "div",
          { class: "fields" },
          ...several.map((tool) => {
            const select = element(
              "select",
              {
                id: `option-model-${tool.name}`,
                onchange: () => {
                  kept.models = { ...kept.models, [tool.name]: select.value };
                  if (!select.value) delete kept.models[tool.name];
                  remember();
                },
              },
              element("option", { value: "" }, say("automatic")),
              ...tool.models.map((model) => element("option", { value: model }, model)),
            );
            select.value = kept.models?.[tool.name] ?? "";
            return element("div", { class: "field" }, element("label", { for: select.id }, plain(tool.name)), select);
          }),
        ),
      );
    },
  };
}
