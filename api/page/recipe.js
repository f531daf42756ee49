// How something was made, and the same again from elsewhere: the recipe of an output, and a job as curl, Python and OpenAI's SDK.
import { get, keyOfReader } from "./client.js";
import { button, element } from "./dom.js";
import { tile } from "./media.js";
import { jobPrograms, planOf } from "./programs.js";
import { copy } from "./shell.js";
import { plain, words } from "./words.js";

const say = words({
  en: {
    recipe: "Recipe",
    copyAs: "Use it elsewhere",
    made: "{step} · {tool}",
    model: "Model",
    seed: "seed",
    none: "Nothing was made.",
    openai: "OpenAI SDK",
    asJson: "The plan as JSON",
    from: "from {step}",
    record: "Its full record",
    uploads: "Made from",
  },
  zh: {
    recipe: "配方",
    copyAs: "在别处使用",
    made: "{step} · {tool}",
    model: "模型",
    seed: "种子",
    none: "没有生成任何内容。",
    openai: "OpenAI SDK",
    asJson: "计划 JSON",
    from: "来自 {step}",
    record: "完整记录",
    uploads: "来源文件",
  },
});

/** The steps that a step rests on, itself last. */
function chain(steps, id, seen = new Set()) {
  const step = steps.find((one) => one.id === id);
  if (!step || seen.has(id)) return [];
  seen.add(id);
  return [...step.needs.flatMap((need) => chain(steps, need, seen)), step];
}

const shortly = (bound) =>
  Array.isArray(bound)
    ? bound.map(shortly).join(", ")
    : typeof bound === "string"
      ? `“${bound}”`
      : bound?.text !== undefined
        ? `“${bound.text}”`
        : bound?.from
          ? say("from", { step: bound.from })
          : (bound?.asset ?? "");

/** What an output was made of, step by step: tools, models, inputs, parameters, seeds. */
export function recipeOf(job, output) {
  const steps = chain(job.plan?.steps ?? [], output.step);
  return element(
    "ol",
    { class: "recipe" },
    ...steps.map((step) =>
      element(
        "li",
        {},
        element("b", {}, say("made", { step: step.id, tool: plain(step.tool) })),
        element("span", { class: "tiny soft" }, step.model ?? ""),
        element(
          "dl",
          {},
          ...[
            ...Object.entries(step.inputs).map(([name, bound]) => [name, shortly(bound)]),
            ...Object.entries(step.params).map(([name, value]) => [
              name,
              typeof value === "object" ? JSON.stringify(value) : String(value),
            ]),
          ].flatMap(([name, value]) => [element("dt", {}, plain(name)), element("dd", {}, value)]),
        ),
      ),
    ),
  );
}

let described = null;

/** Whether the service has this route. */
async function has(path) {
  described ??= get("/openapi.json").catch(() => ({ paths: {} }));
  return path in ((await described).paths ?? {});
}

/** Tabs with the programs, each with a copy button. OpenAI's SDK stands there where the service speaks with it. */
export function programTabs(job) {
  const { openai, ...made } = jobPrograms(job, keyOfReader()),
    names = { curl: "curl", python: "Python", openai: say("openai"), json: say("asJson") };
  made.json = JSON.stringify(planOf(job), null, 2);
  const shown = element("pre", { tabindex: 0, role: "tabpanel" });
  const tabs = element("div", { class: "tabs", role: "tablist", "aria-label": say("copyAs") });
  let current = "curl";
  const show = () => {
    tabs.replaceChildren(
      ...Object.keys(made).map((name) =>
        element(
          "button",
          {
            type: "button",
            role: "tab",
            "aria-selected": String(name === current),
            tabindex: name === current ? 0 : -1,
            onclick: () => {
              current = name;
              show();
            },
          },
          names[name],
        ),
      ),
    );
    shown.textContent = made[current];
  };
  if (openai)
    has("/v1/responses").then((there) => {
      if (there) {
        made.openai = openai;
        show();
      }
    });
  tabs.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key],
      all = Object.keys(made);
    if (!by) return;
    current = all[(all.indexOf(current) + by + all.length) % all.length];
    show();
    tabs.querySelector("[aria-selected=true]").focus();
  });
  show();
  return element(
    "div",
    { class: "programs" },
    element(
      "div",
      { class: "row" },
      tabs,
      element("span", { class: "space" }),
      button(say("copy"), { drawing: "copy", kind: "quiet small", onclick: () => copy(made[current], say("copied")) }),
    ),
    shown,
  );
}

/** The files that an asset goes back to and the way to its whole record, where the service keeps one. */
async function lineageOf(asset, spot) {
  let found;
  try {
    found = await get(`/v1/assets/${asset}/provenance`);
  } catch {
    return;
  }
  const uploads = (found.nodes ?? []).filter((node) => node.type === "asset" && node.origin === "upload");
  spot.replaceChildren(
    element(
      "div",
      { class: "row lineage" },
      uploads.length > 0 && element("span", { class: "soft" }, say("uploads")),
      ...uploads.map((node) =>
        element("a", { href: `#/assets/${node.id}`, "aria-label": node.name ?? node.id }, tile(node.id, node.modality, 28)),
      ),
      element("a", { href: `/v1/assets/${asset}/provenance` }, say("record")),
    ),
  );
}

/** Recipes of all outputs of a job. */
export function recipes(job) {
  const made = job.outputs.filter((output) => output.step);
  if (!made.length) return element("p", { class: "soft" }, say("none"));
  return element(
    "div",
    { class: "recipes" },
    ...made.map((output) => {
      const record = element("div", { class: "lineage" });
      if (output.asset) lineageOf(output.asset, record);
      return element(
        "article",
        {},
        output.asset ? tile(output.asset, output.type, 72) : element("span", {}),
        recipeOf(job, output),
        record,
      );
    }),
  );
}
