// All workflows, and the ways to begin one: empty, from an example, from JSON, or from a job that ended.
import { get, tools as allTools } from "./client.js";
import { button, element, icon } from "./dom.js";
import { dropDraft, fresh, freshId, keepDraft } from "./flow_draft.js";
import { read } from "./flow_import.js";
import { miniature } from "./flow_picture.js";
import { TEMPLATES } from "./flow_templates.js";
import { trouble } from "./rooms.js";
import { go, styles } from "./shell.js";
import { moment, plain, spoken, words } from "./words.js";

const say = words({
  en: {
    lead: "Plans with named inputs, kept in versions. Run them with a form, or publish them as a tool and an endpoint.", fresh: "New workflow", imports: "Import JSON", fromJob: "From a job", none: "No workflow yet. Begin with one of these, or with an empty one.", templates: "Begin with an example", steps: "{n} steps", step: "1 step", version: "version {n}",
    tool: "published as {name}", jobs: "Which job?", noJobs: "No job has ended yet.", draft: "An unsaved workflow", goOn: "Go on with it", discard: "Discard", drop: "Drop a workflow's JSON here", older: "Show older",
  },
  zh: {
    lead: "带有命名输入、按版本保存的计划。可用表单运行，或发布为工具和接口。", fresh: "新建工作流", imports: "导入 JSON", fromJob: "来自任务", none: "还没有工作流。从以下示例或空白开始。", templates: "从示例开始", steps: "{n} 个步骤", step: "1 个步骤", version: "版本 {n}",
    tool: "已发布为 {name}", jobs: "哪个任务？", noJobs: "还没有结束的任务。", draft: "未保存的工作流", goOn: "继续", discard: "丢弃", drop: "将工作流 JSON 拖到这里", older: "显示更早的",
  },
});

export async function show(place) {
  await Promise.all([styles("rooms.css"), styles("flows.css"), styles("graph.css")]);
  let gone = false;
  const pick = element("input", { type: "file", id: "flow-file", accept: ".json,application/json", onchange: () => take(pick.files[0]) });
  const list = element("ul", { class: "flow-list" }), news = element("div", {}), more = element("div", {}), jobs = element("section", { class: "card", id: "flow-jobs", hidden: true });
  const fromJob = button(say("fromJob"), { drawing: "clock", "aria-expanded": "false", "aria-controls": "flow-jobs", onclick: showJobs });
  place.append(element("div", { class: "wide flows" },
    element("div", { class: "row room-head" }, element("div", {}, element("h1", {}, say("workflows")), element("p", { class: "soft" }, say("lead"))),
      fromJob, element("label", { class: "button quiet", for: "flow-file" }, icon("upload"), say("imports"), pick),
      element("button", { type: "button", onclick: () => go("/workflows/new") }, icon("plus"), say("fresh"))),
    news, jobs, list, more));

  for (const [id, flow] of fresh()) {
    news.append(element("div", { class: "card row draft" }, icon("pen"), element("span", {}, `${say("draft")}: `, element("b", {}, flow.name)), element("span", { class: "space" }),
      button(say("discard"), { onclick: (event) => { dropDraft(id); event.target.closest(".draft").remove(); } }), element("a", { class: "button quiet", href: `#/workflows/${id}` }, say("goOn"))));
  }

  async function take(file) {
    if (!file) return;
    try {
      if (file.size > 4_000_000) throw new Error(file.name);
      const { flow, notes } = read(await file.text(), file.name.replace(/\.json$/i, ""));
      const id = freshId();
      keepDraft(id, flow);
      sessionStorage.setItem("flow-notes", JSON.stringify(notes));
      go(`/workflows/${id}`);
    } catch (error) {
      news.replaceChildren(trouble(error));
    } finally {
      pick.value = "";
    }
  }

  async function showJobs() {
    jobs.hidden = !jobs.hidden;
    fromJob.setAttribute("aria-expanded", String(!jobs.hidden));
    if (jobs.hidden) return;
    const found = await get("/v1/jobs?status=succeeded&limit=20").catch((error) => ({ error }));
    if (found.error) return jobs.replaceChildren(trouble(found.error));
    jobs.replaceChildren(element("h2", {}, say("jobs")), found.data.length ? element("ul", { class: "pick-jobs" }, ...found.data.map((job) => element("li", {},
      element("a", { href: `#/workflows/new?job=${job.id}` }, job.input.find((part) => part.text)?.text ?? job.plan?.steps.map((item) => plain(item.tool)).join(", ") ?? job.id), element("span", { class: "tiny soft" }, ` ${moment(job.created_at)}`)))) : element("p", { class: "soft" }, say("noJobs")));
    jobs.querySelector("a")?.focus();
  }

  function card(flow, href, chips) {
    const size = flow.plan.steps.length;
    return element("li", {}, element("a", { class: "card flow-card", href }, element("span", { class: "mini" }, miniature(flow, tools)),
      element("b", {}, flow.name), flow.about && element("span", { class: "soft tiny about" }, flow.about), element("span", { class: "row" }, element("span", { class: "chip" }, size === 1 ? say("step") : say("steps", { n: size })), ...chips)));
  }

  const tools = await allTools();

  async function load(after) {
    try {
      const page = await get(`/v1/workflows?limit=30${after ? `&after=${after}` : ""}`);
      if (gone) return;
      list.append(...page.data.map((flow) => card(flow, `#/workflows/${flow.id}`, [element("span", { class: "chip" }, say("version", { n: flow.version })), flow.tool && element("span", { class: "chip good" }, say("tool", { name: flow.tool })), element("span", { class: "tiny soft" }, moment(flow.updated_at))])));
      more.replaceChildren(...(page.has_more ? [button(say("older"), { onclick: () => load(page.last_id) })] : []));
      if (!list.children.length) list.before(element("p", { class: "soft none" }, say("none")));
    } catch (error) {
      if (!gone) more.replaceChildren(trouble(error, () => load(after)));
    }
  }

  const dragging = {
    dragover: (event) => { if (event.dataTransfer?.types.includes("Files")) event.preventDefault(); },
    drop: (event) => { if (event.dataTransfer?.files.length) { event.preventDefault(); take(event.dataTransfer.files[0]); } },
  };
  for (const [name, work] of Object.entries(dragging)) window.addEventListener(name, work);
  await load();
  const able = Object.entries(TEMPLATES).filter(([, make]) => make("en").plan.steps.every((step) => tools.get(step.tool)?.live));
  if (able.length && !gone) more.after(element("section", { class: "examples" }, element("h2", {}, say("templates")), element("ul", { class: "flow-list" }, ...able.map(([name, make]) => card(make(spoken()), `#/workflows/new?template=${name}`, [])))));
  return () => { gone = true; for (const [name, work] of Object.entries(dragging)) window.removeEventListener(name, work); };
}
