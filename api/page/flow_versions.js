// The versions of a workflow: each stays as it was saved; an earlier one can be looked at, and saved anew as the newest.
import { get } from "./client.js";
import { button, element } from "./dom.js";
import { miniature } from "./flow_picture.js";
import { trouble } from "./rooms.js";
import { plain, words } from "./words.js";

const say = words({
  en: { version: "Version {n}", newest: "newest", openIt: "Open", shown: "open", added: "added {names}", gone: "removed {names}", changed: "changed {names}", first: "the first", same: "no steps changed", unsaved: "Save it first; each saving is a version." },
  zh: { version: "版本 {n}", newest: "最新", openIt: "打开", shown: "已打开", added: "添加了 {names}", gone: "移除了 {names}", changed: "更改了 {names}", first: "第一个", same: "步骤无变化", unsaved: "请先保存；每次保存是一个版本。" },
});

/** What happened between two documents, in words. */
function difference(now, before) {
  if (!before) return say("first");
  const old = new Map(before.plan.steps.map((step) => [step.id, step])), fresh = new Map(now.plan.steps.map((step) => [step.id, step]));
  const name = (step) => `${step.id} (${plain(step.tool)})`;
  const added = now.plan.steps.filter((step) => !old.has(step.id)).map(name), gone = before.plan.steps.filter((step) => !fresh.has(step.id)).map(name);
  const changed = now.plan.steps.filter((step) => old.has(step.id) && JSON.stringify(step) !== JSON.stringify(old.get(step.id))).map(name);
  return [["added", added], ["gone", gone], ["changed", changed]].filter(([, names]) => names.length).map(([key, names]) => say(key, { names: names.join(", ") })).join("; ") || say("same");
}

/** The list in `place`; `onOpen(document)` takes a version into the editor. */
export async function showVersions(place, saved, tools, onOpen) {
  if (!saved) return place.replaceChildren(element("p", { class: "soft" }, say("unsaved")));
  try {
    const { data } = await get(`/v1/workflows/${saved.id}/versions`);
    place.replaceChildren(element("ol", { class: "versions" }, ...data.map((item, at) => element("li", {},
      element("span", { class: "mini" }, miniature(item, tools)),
      element("span", { class: "grow" }, element("b", {}, `${say("version", { n: item.version })} `), item.version === item.newest && element("span", { class: "chip" }, say("newest")),
        element("span", { class: "tiny soft when" }, new Date(item.updated_at).toLocaleString()), element("span", { class: "tiny" }, difference(item, data[at + 1]))),
      button(say("openIt"), { kind: "quiet small", "aria-label": `${say("openIt")}: ${say("version", { n: item.version })}`, onclick: () => onOpen(item) })))));
  } catch (error) {
    place.replaceChildren(trouble(error, () => showVersions(place, saved, tools, onOpen)));
  }
}
