// How an asset was made, as a table: every step back to the uploads, with its model, what it was given, and its settings.
import { element } from "./dom.js";
import { tile } from "./media.js";
import { plain, words } from "./words.js";

const say = words({
  en: {
    step: "Step", model: "Model", given: "Given", settings: "Settings", asked: "Asked", at: "Made", version: "With", seed: "seed", caption: "The steps that led to it",
    cut: "There was no room for all of it in the recipe.", truncated: "There was more than is shown.", goneFile: "Something that is deleted by now", json: "Recipe as JSON", record: "As the service gives it",
  },
  zh: {
    step: "步骤", model: "模型", given: "输入", settings: "参数", asked: "请求", at: "生成于", version: "版本", seed: "种子", caption: "得到它的步骤",
    cut: "配方中放不下全部内容。", truncated: "还有未显示的内容。", goneFile: "已被删除的内容", json: "JSON 配方", record: "服务返回的原文",
  },
});

/** The steps of a lineage, first what came first: a step stands after all that it rests on. */
export function inOrder(nodes, edges) {
  const steps = nodes.filter((node) => node.type === "step"), found = new Map(nodes.map((node) => [node.id, node])), order = new Set(), open = new Set();
  const visit = (id) => {
    if (open.has(id)) return;
    open.add(id);
    for (const edge of edges) if (edge.to === id) visit(edge.from);
    if (found.get(id)?.type === "step") order.add(found.get(id));
  };
  for (const step of steps) visit(step.id);
  return [...order];
}

/** What a step reads: words of the plan, files and steps of the graph. */
function givenTo(step, { nodes, edges, recipe }) {
  const known = recipe?.job === step.job ? recipe.plan?.steps.find((one) => one.id === step.step) : null;
  const said = Object.values(known?.inputs ?? {}).flat().map((bound) => (typeof bound === "string" ? bound : bound?.text)).filter(Boolean);
  const from = edges.filter((edge) => edge.to === step.id).map((edge) => nodes.find((node) => node.id === edge.from)).filter(Boolean);
  return [
    ...said.map((text) => element("q", {}, text)),
    ...from.map((node) => node.type === "asset"
      ? element("a", { href: `#/assets/${node.id}`, class: "read", title: node.name ?? "" }, tile(node.id, node.modality, 28), element("span", {}, node.name ?? say(node.modality)))
      : element("span", { class: "soft" }, node.type === "step" ? node.step : say("goneFile"))),
  ];
}

const settingsOf = (step) => [...Object.entries(step.params).filter(([, value]) => value !== null), ...(step.seed === null || "seed" in step.params ? [] : [["seed", step.seed]])]
  .map(([name, value]) => element("span", { class: "chip" }, `${name === "seed" ? say("seed") : plain(name)} ${typeof value === "object" ? JSON.stringify(value) : value}`));

/** A table of the steps of what `/v1/assets/{id}/provenance` gives, and behind a disclosure the JSON itself. */
export function madeTable(found) {
  const { recipe } = found, asked = recipe?.request?.input.map((part) => part.text).filter(Boolean).join("\n");
  const rows = inOrder(found.nodes, found.edges).map((step) => element("tr", {},
    element("th", { scope: "row" }, element("a", { href: `#/jobs/${step.job}` }, plain(step.tool)), element("span", { class: "soft" }, step.step)),
    element("td", {}, step.model ? element("a", { href: `#/models?id=${encodeURIComponent(step.model)}` }, step.model) : ""),
    element("td", {}, element("div", { class: "row" }, ...givenTo(step, found))),
    element("td", {}, element("div", { class: "row" }, ...settingsOf(step)))));
  const facts = [
    [say("asked"), asked],
    [say("at"), recipe?.made_at && element("time", { datetime: recipe.made_at }, new Date(recipe.made_at).toLocaleString())],
    [say("version"), recipe?.version && `Medley ${recipe.version}`],
  ].filter(([, value]) => value);
  return [
    element("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
    rows.length > 0 && element("div", { class: "made-table", tabindex: 0, role: "group", "aria-label": say("caption") },
      element("table", {}, element("caption", { class: "unseen" }, say("caption")),
        element("thead", {}, element("tr", {}, ...["step", "model", "given", "settings"].map((name) => element("th", { scope: "col" }, say(name))))), element("tbody", {}, ...rows))),
    recipe?.cut && element("p", { class: "tiny soft" }, say("cut")),
    found.truncated && element("p", { class: "tiny soft" }, say("truncated")),
    element("details", {}, element("summary", {}, say("json")), element("pre", { tabindex: 0 }, JSON.stringify(recipe ?? found, null, 2)),
      element("p", { class: "tiny" }, element("a", { href: `/v1/assets/${found.asset}/provenance` }, say("record")))),
  ].filter(Boolean);
}
