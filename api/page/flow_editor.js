// One workflow: its graph with inputs and answer, saved in versions, run with a form, published, kept as a draft until it is saved.
import { get, post, put, remove, tools as allTools } from "./client.js";
import { button, element, icon } from "./dom.js";
import { showEditor } from "./editor.js";
import { showCode } from "./flow_code.js";
import { draftOf, dropDraft, freshId, keepDraft } from "./flow_draft.js";
import { document as cleaned, read, same } from "./flow_import.js";
import { freeName, showInputs } from "./flow_inputs.js";
import { showRun } from "./flow_run.js";
import { TEMPLATES } from "./flow_templates.js";
import { showVersions } from "./flow_versions.js";
import { ask, tabs } from "./rooms.js";
import { copy, go, styles, title, toast } from "./shell.js";
import { spoken, words } from "./words.js";

const say = words({
  en: {
    name: "Name", about: "What it does", untitled: "Untitled workflow", saveNew: "Save", saved: "Saved as version {n}", unsaved: "not saved", version: "version {n}", addInput: "Add input", inputs: "Inputs", run: "Run", code: "Publish and call", versions: "Versions", json: "JSON",
    restored: "Changes that were not saved are back.", discard: "Discard them", moved: "Version {n} was saved meanwhile, by somebody else or in another window.", theirs: "Open that one", mine: "Save mine over it", invalid: "It cannot be saved yet: {count} to put right. The draft is kept in this browser.", empty: "It needs at least one step.",
    remove: "Delete this workflow", sure: "Delete “{name}” and all its versions?", sureBody: "Jobs that it ran stay as they are.", gone: "Deleted", download: "Download", apply: "Take over", jsonAbout: "The document as it is saved. Change it here, or keep it as a file.", imported: "Read, with these gaps:", opened: "Version {n} is open; save it to make it the newest.", nothing: "Name it, add steps, link them. Inputs are what a run is given; what is linked to the answer comes back.",
    parts: "Parts of the workflow", duplicate: "Duplicate", copyOf: "{name} (copy)", keySave: "Ctrl + S",
  },
  zh: {
    name: "名称", about: "用途", untitled: "未命名工作流", saveNew: "保存", saved: "已保存为版本 {n}", unsaved: "未保存", version: "版本 {n}", addInput: "添加输入", inputs: "输入", run: "运行", code: "发布与调用", versions: "版本", json: "JSON",
    restored: "已恢复未保存的更改。", discard: "丢弃更改", moved: "其间已有版本 {n} 被保存（他人或另一窗口）。", theirs: "打开那个版本", mine: "用我的覆盖", invalid: "还不能保存：有 {count} 处需要修正。草稿保存在此浏览器中。", empty: "至少需要一个步骤。",
    remove: "删除此工作流", sure: "删除“{name}”及其所有版本？", sureBody: "它运行过的任务保持不变。", gone: "已删除", download: "下载", apply: "采用", jsonAbout: "保存的文档。可在此修改，或作为文件保存。", imported: "已读取，但有以下缺失：", opened: "已打开版本 {n}；保存后它将成为最新版本。", nothing: "命名、添加步骤并连接它们。输入是每次运行给定的内容；连到回答的内容会返回。",
    parts: "工作流的各部分", duplicate: "复制", copyOf: "{name}（副本）", keySave: "Ctrl + S",
  },
});

const etagOf = (saved) => (saved ? `"${saved.id}@${saved.version}"` : null);

/** What an address begins with: a stored workflow, a draft, a job's plan, an example, or nothing. */
async function begin(id, query) {
  if (id.startsWith("wf_")) return { saved: await get(`/v1/workflows/${id}`) };
  const job = query.get("job")?.match(/^job_\w+$/)?.[0];
  if (job) return { flow: await get(`/v1/jobs/${job}/workflow`) };
  const template = TEMPLATES[query.get("template")];
  return { flow: template ? template(spoken()) : draftOf(id)?.flow ?? { name: say("untitled"), inputs: {}, plan: { steps: [], reply: { text: "", show: [] } } } };
}

export async function show(place, { id: given, query }) {
  const id = given === "new" ? freshId() : given;
  await Promise.all([styles("rooms.css"), styles("flows.css"), styles("graph.css"), styles("work.css")]);
  const started = await begin(given, query), tools = await allTools(true);
  let saved = started.saved ?? null, flow = cleaned(started.flow ?? saved), tab = "run", valid = null, faults = [], runner = null, lit = false, gone = false;
  const attic = new Map();
  const draft = saved ? draftOf(id) : null;
  if (draft && !same(draft.flow, saved)) flow = cleaned(draft.flow);

  const name = element("input", { class: "flow-name", value: flow.name, maxlength: 120, "aria-label": say("name"), placeholder: say("untitled"), oninput: () => { flow.name = name.value.trim() || say("untitled"); changed(); } });
  const about = element("input", { class: "flow-about", value: flow.about, maxlength: 300, "aria-label": say("about"), placeholder: say("about"), oninput: () => { flow.about = about.value; changed(); } });
  const mark = element("span", { class: "chip", role: "status" }), notes = element("div", { class: "notes" }), canvas = element("div", { class: "flow-canvas" }), panel = element("div", { class: "card flow-panel", role: "tabpanel" }), runPlace = element("div", {});
  const saver = element("button", { type: "button", id: "save-flow", title: say("keySave"), onclick: () => save() }, icon("check"), say("saveNew"));
  const names = ["run", "inputs", "code", "versions", "json"];
  const bar = tabs(names.map((one) => [one, say(one)]), tab, (one) => { tab = one; showPanel(); }, say("parts"));
  place.append(element("article", { class: "wide flow" },
    element("div", { class: "row flow-head" }, element("a", { class: "button quiet bare", href: "#/workflows", "aria-label": say("back"), title: say("back") }, icon("left")), element("div", { class: "grow" }, element("h1", { class: "unseen" }, say("workflows")), name, about), mark,
      saved && button(say("duplicate"), { drawing: "copy", bare: true, onclick: duplicate }), saved && button(say("remove"), { drawing: "trash", bare: true, kind: "quiet danger", onclick: erase }), saver),
    notes, canvas, bar, panel));

  const editor = await showEditor(canvas, flow.plan, {
    inputs: flow.inputs, judge,
    onchange: (plan, verdict) => {
      restoreInputs(plan);
      const edited = JSON.stringify(plan) !== JSON.stringify(flow.plan);
      flow.plan = plan;
      valid = plan.steps.length ? verdict.valid : null;
      if (edited) { lit = false; editor?.graph.update({ states: null }); changed(); if (tab !== "run") showPanel(); }
    },
    actions: [button(say("addInput"), { drawing: "plus", kind: "quiet small", onclick: addInput })],
  });

  /** Undoing brings back links to inputs that were taken away or renamed: these inputs come back, too. */
  function restoreInputs(plan) {
    const read = plan.steps.flatMap((step) => Object.values(step.inputs ?? {}).flat()).map((one) => one?.input).filter(Boolean);
    const lost = read.filter((one) => !(one in flow.inputs) && attic.has(one));
    if (!lost.length) return;
    flow.inputs = { ...flow.inputs, ...Object.fromEntries(lost.map((one) => [one, attic.get(one)])) };
    editor.update({ inputs: flow.inputs });
    if (tab === "run") runner?.redraw();
  }

  async function judge(plan) {
    try {
      await post("/v1/workflows/validate", { ...flow, plan });
      faults = [];
    } catch (error) {
      faults = error.errors ?? [];
      throw error;
    } finally {
      if (tab === "inputs" && !gone && !panel.contains(document.activeElement)) showPanel();
    }
    return {};
  }

  function showMark() {
    const clean = saved && same(flow, saved);
    mark.textContent = clean ? say("version", { n: saved.version }) : saved ? `${say("version", { n: saved.version })} · ${say("unsaved")}` : say("unsaved");
    mark.classList.toggle("warn", !clean);
    saver.disabled = Boolean(clean && saved.version === saved.newest);
    title(flow.name);
  }

  function changed() {
    if (saved && same(flow, saved)) dropDraft(id); else keepDraft(id, flow, etagOf(saved));
    showMark();
  }

  /** Takes another document into the editor. */
  function take(next) {
    flow = cleaned(next);
    name.value = flow.name;
    about.value = flow.about;
    editor.update({ plan: flow.plan, inputs: flow.inputs, states: null });
    editor.graph.tidy();
    changed();
    showPanel();
  }

  function setInputs({ inputs, plan, redraw, focus }) {
    const replanned = plan !== flow.plan && JSON.stringify(plan) !== JSON.stringify(flow.plan);
    for (const [one, input] of Object.entries(flow.inputs)) attic.set(one, input);
    flow.inputs = inputs;
    editor.update({ inputs });
    if (replanned) editor.graph.edit(() => plan); else editor.judge();
    changed();
    if (redraw) {
      showPanel();
      if (focus) { const field = panel.querySelector(`[data-key="${CSS.escape(focus)}"]`); field?.focus(); field?.select?.(); }
    }
  }

  function addInput() {
    const fresh = freeName(flow.inputs, "input");
    choose("inputs");
    setInputs({ inputs: { ...flow.inputs, [fresh]: { modality: "text", about: "", required: true } }, plan: flow.plan, redraw: true, focus: `name ${fresh}` });
  }

  const choose = (one) => bar.querySelector(`[data-name=${one}]`).click();

  function showPanel() {
    panel.setAttribute("aria-label", say(tab));
    if (tab === "run") {
      panel.replaceChildren(runPlace);
      if (runner) runner.redraw();
      else runner = showRun(runPlace, { id, flow: () => flow, saved: () => (saved && same(flow, saved) && saved.version === saved.newest ? saved.id : null), workflow: saved?.id, valid: () => valid, onStates: showStates });
    } else if (tab === "inputs") showInputs(panel, { inputs: flow.inputs, plan: flow.plan, tools, faults }, setInputs);
    else if (tab === "code") showCode(panel, saved, (next) => { saved = { ...saved, tool: next.tool }; showPanel(); });
    else if (tab === "versions") showVersions(panel, saved, tools, (item) => { take(item); notes.replaceChildren(note(say("opened", { n: item.version }))); });
    else showJson();
  }

  /** What the steps of a run do, on their boxes; these grow when they begin to show pictures, and are placed anew once. */
  function showStates(states) {
    if (gone) return;
    editor.graph.update({ states });
    if (!lit) editor.graph.tidy();
    lit = true;
  }

  function showJson() {
    const area = element("textarea", { rows: 16, class: "json", spellcheck: "false", "aria-label": say("json"), value: JSON.stringify(flow, null, 2) }), wrong = element("p", { class: "fault tiny", role: "alert" });
    const file = new Blob([JSON.stringify(flow, null, 2)], { type: "application/json" });
    panel.replaceChildren(element("p", { class: "soft tiny" }, say("jsonAbout")), area, wrong, element("div", { class: "row" },
      button(say("apply"), { onclick: () => { try { const found = read(area.value, flow.name); take(found.flow); showNotes(found.notes); } catch (error) { wrong.textContent = error.message; } } }),
      button(say("copy"), { drawing: "copy", onclick: () => copy(area.value, say("copied")) }),
      button(say("download"), { drawing: "download", onclick: () => { const url = URL.createObjectURL(file), link = element("a", { href: url, download: `${flow.name.replace(/[^\p{L}\p{N}]+/gu, "-")}.json` }); link.click(); setTimeout(() => URL.revokeObjectURL(url), 1000); } })));
  }

  const note = (text, ...acts) => element("div", { class: "card row hint" }, element("span", {}, text), element("span", { class: "space" }), ...acts);

  function showNotes(found) {
    notes.replaceChildren(...(found.length ? [element("div", { class: "card hint" }, element("p", {}, say("imported")), element("ul", {}, ...found.map((text) => element("li", { class: "tiny" }, text))))] : []));
  }

  async function save(over = etagOf(saved)) {
    if (!flow.plan.steps.length) return toast(say("empty"), { bad: true });
    notes.replaceChildren();
    try {
      if (!saved) {
        const made = await post("/v1/workflows", flow);
        dropDraft(id);
        toast(say("saved", { n: made.version }));
        return go(`/workflows/${made.id}`, { replace: true });
      }
      const tool = saved.tool;
      saved = { ...(await put(`/v1/workflows/${id}`, flow, { "if-match": over })), tool };
      dropDraft(id);
      toast(say("saved", { n: saved.version }));
      showMark();
      if (tab !== "run") showPanel();
    } catch (error) {
      if (error.status === 412) return showMoved();
      const list = error.errors ?? [];
      if (list.length) { editor.graph.update({ faults: list }); editor.judge(); }
      notes.replaceChildren(element("div", { class: "trouble", role: "alert" }, list.length ? say("invalid", { count: list.length }) : error.message));
    }
  }

  async function showMoved() {
    const newest = await get(`/v1/workflows/${id}`);
    notes.replaceChildren(note(say("moved", { n: newest.version }), button(say("theirs"), { onclick: () => { saved = newest; take(newest); notes.replaceChildren(); } }), button(say("mine"), { onclick: () => save(etagOf(newest)) })));
  }

  async function duplicate() {
    const copied = freshId();
    keepDraft(copied, { ...flow, name: say("copyOf", { name: flow.name }).slice(0, 120) });
    go(`/workflows/${copied}`);
  }

  async function erase() {
    if (!await ask(say("sure", { name: flow.name }), element("p", { class: "soft" }, say("sureBody")), say("remove"), { danger: true })) return;
    await remove(`/v1/workflows/${id}`);
    dropDraft(id);
    toast(say("gone"));
    go("/workflows", { replace: true });
  }

  const saving = (event) => { if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") { event.preventDefault(); if (!saver.disabled) save(); } };
  window.addEventListener("keydown", saving);
  showMark();
  showPanel();
  if (draft && saved && !same(flow, saved)) {
    notes.replaceChildren(note(say("restored"), button(say("discard"), { onclick: () => { take(saved); notes.replaceChildren(); } })));
    if (draft.base !== etagOf(saved)) showMoved();
  } else if (!saved && !flow.plan.steps.length) notes.replaceChildren(element("p", { class: "soft" }, say("nothing")));
  const left = JSON.parse(sessionStorage.getItem("flow-notes") ?? "[]");
  sessionStorage.removeItem("flow-notes");
  if (left.length) showNotes(left);
  if (given === "new") {  // from here on it has an address of its own, so that a reload finds its draft
    history.replaceState(null, "", `#/workflows/${id}`);
    if (flow.plan.steps.length) changed();
  }

  return () => { gone = true; window.removeEventListener("keydown", saving); runner?.leave(); editor.leave(); };
}
