// A workflow as an endpoint: the programs that run it, and its publication as a tool.
import { keyOfReader, put, remove } from "./client.js";
import { button, element } from "./dom.js";
import { flowPrograms } from "./programs.js";
import { tabs } from "./rooms.js";
import { copy, toast } from "./shell.js";
import { words } from "./words.js";

const say = words({
  en: { endpoint: "The endpoint", endpointAbout: "Runs the newest version; {pinned} stays at this one.", publish: "As a tool", publishAbout: "Plans may use it as one step, also those that the language model writes. Its outputs are what the answer shows.", name: "Name", doPublish: "Publish", withdraw: "Withdraw", published: "Published as {name}", withdrawn: "Withdrawn", unsaved: "Save it first.", shows: "Link at least one output to the answer first.", snippet: "Program", bad: "Lower case letters, digits and _." },
  zh: { endpoint: "接口", endpointAbout: "运行最新版本；{pinned} 固定为此版本。", publish: "作为工具", publishAbout: "计划可以把它当作一个步骤使用，包括语言模型写的计划。它的输出是回答中显示的内容。", name: "名称", doPublish: "发布", withdraw: "撤回", published: "已发布为 {name}", withdrawn: "已撤回", unsaved: "请先保存。", shows: "请先将至少一个输出连到回答。", snippet: "程序", bad: "小写字母、数字和 _。" },
});

/** The panel in `place`; `saved` is the stored workflow, or null. `onChange(saved)` after publishing and withdrawing. */
export function showCode(place, saved, onChange) {
  if (!saved) return place.replaceChildren(element("p", { class: "soft" }, say("unsaved")));
  const made = flowPrograms(saved, keyOfReader()), shown = element("pre", { tabindex: 0, "aria-label": say("snippet") });
  let current = "curl";
  const chosen = tabs([["curl", "curl"], ["python", "Python"], ["shell", "Shell"]], current, (name) => { current = name; shown.textContent = made[name]; }, say("snippet"));
  shown.textContent = made.curl;

  const field = element("input", { id: "flow-tool", value: (saved.tool ?? `flow.${saved.name.toLowerCase().replace(/[^a-z0-9]+/g, "_").replace(/^[^a-z]+|_+$/g, "").slice(0, 30) || "tool"}`).slice(5), pattern: "[a-z][a-z0-9_]{0,30}", required: true, spellcheck: "false", title: say("bad") });
  const wrong = element("p", { class: "fault tiny", role: "alert" });

  async function publish(event) {
    event.preventDefault();
    wrong.textContent = "";
    if (!saved.plan.reply.show.length) { wrong.textContent = say("shows"); return; }
    try {
      const next = await put(`/v1/workflows/${saved.id}/tool`, { name: `flow.${field.value}` });
      toast(say("published", { name: next.tool }));
      onChange(next);
    } catch (error) {
      wrong.textContent = [error.message, ...(error.errors ?? []).map((fault) => `${fault.pointer} ${fault.reason}`)].join("\n");
    }
  }

  async function withdraw() {
    try {
      await remove(`/v1/workflows/${saved.id}/tool`);
      toast(say("withdrawn"));
      onChange({ ...saved, tool: undefined });
    } catch (error) { wrong.textContent = error.message; }
  }

  place.replaceChildren(element("div", { class: "code-rooms" },
    element("section", {}, element("h2", {}, say("endpoint")), element("p", { class: "soft tiny" }, say("endpointAbout", { pinned: `${saved.id.slice(0, 9)}…@${saved.version}` })),
      element("div", { class: "row" }, chosen, element("span", { class: "space" }), button(say("copy"), { drawing: "copy", kind: "quiet small", onclick: () => copy(made[current], say("copied")) })), shown),
    element("section", {}, element("h2", {}, say("publish")), element("p", { class: "soft tiny" }, say("publishAbout")),
      saved.tool && element("p", { class: "state succeeded" }, say("published", { name: saved.tool })),
      element("form", { class: "row", onsubmit: publish }, element("label", { for: "flow-tool" }, say("name")), element("span", { class: "prefixed" }, element("code", {}, "flow."), field), element("button", { type: "submit" }, say("doPublish")), saved.tool && button(say("withdraw"), { kind: "quiet danger", onclick: withdraw })), wrong)));
}
