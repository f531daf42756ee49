// Models: what serves here, what could, under which terms; loading and unloading with progress.
import { get, post } from "./client.js";
import { button, element, later } from "./dom.js";
import { meter, trouble } from "./rooms.js";
import { ended } from "./seek.js";
import { announce, styles, toast } from "./shell.js";
import { bytes, plain, words } from "./words.js";

const say = words({
  en: {
    lead: "What does the work here, and what else Medley knows how to run.", find: "Find a model, a tool or a system", only: "Show", serving: "Serving here", commercial: "Commercial use", fits: "Fits the memory", everyTool: "Every tool", memory: "Memory", held: "{held} of {budget} held in memory",
    loaded: "in memory", loading: "loading", live: "ready to load", failed: "failed", away: "away", available: "not served", missing: "not here", load: "Load", unload: "Unload", isLoaded: "{name} is in memory.", isUnloaded: "{name} is out of memory.",
    licence: "Licence", free: "commercial use", notFree: "not commercial", gated: "terms to accept", weights: "Weights", need: "Needs", source: "Source", revision: "Revision", takes: "Takes", gives: "Gives", tools: "Tools", space: "Space", systems: "As in", lacks: "Why not", fallback: "In its place",
    notFit: "Needs {need}; a worker here may hold {budget}.", more: "Details", here: "Serving here", others: "Known, not serving here", none: "No model fits these filters.", millions: "{n} M", billions: "{n} B", exact: "the system itself", reproduction: "a reproduction", successor: "a successor", built: "built here", "stand-in": "a stand-in", nearness: "It is",
    noWeights: "no weights", workers: "{n} of {all} workers hold it", job: "The job", get: "To get it: `medley models pull {id}`", showMore: "Show {n} more",
  },
  zh: {
    lead: "这里由哪些模型工作，以及 Medley 还能运行哪些。", find: "查找模型、工具或系统", only: "显示", serving: "在此服务", commercial: "可商用", fits: "内存足够", everyTool: "所有工具", memory: "内存", held: "已占用 {held}，共 {budget}",
    loaded: "已加载", loading: "加载中", live: "可加载", failed: "失败", away: "离线", available: "未服务", missing: "不在此处", load: "加载", unload: "卸载", isLoaded: "{name} 已加载。", isUnloaded: "{name} 已卸载。",
    licence: "许可证", free: "可商用", notFree: "不可商用", gated: "需接受条款", weights: "参数", need: "需要", source: "来源", revision: "版本", takes: "输入", gives: "输出", tools: "工具", space: "空间", systems: "对应系统", lacks: "原因", fallback: "替代",
    notFit: "需要 {need}；这里的工作进程最多可占用 {budget}。", more: "详情", here: "在此服务", others: "已知，未在此服务", none: "没有符合条件的模型。", millions: "{n} 百万", billions: "{n} 十亿", exact: "原系统", reproduction: "复现", successor: "后继", built: "自建", "stand-in": "替身", nearness: "性质",
    noWeights: "无权重", workers: "{all} 个工作进程中 {n} 个已加载", job: "任务", get: "获取：`medley models pull {id}`", showMore: "再显示 {n} 个",
  },
});

const FILTERS = ["serving", "commercial", "fits"];
const FEW = 40;

export async function show(place, { query }) {
  await styles("rooms.css");
  const state = { words: query.get("q") ?? "", tool: query.get("tool") ?? "", open: query.get("id"), on: new Set(FILTERS.filter((name) => query.get(name) === "1")), most: FEW };
  const busy = new Map();
  let models = [], system = null, operates, gone = false, timer;

  const field = element("input", { type: "search", placeholder: say("find"), "aria-label": say("find"), value: state.words, oninput: later(() => { state.words = field.value; state.most = FEW; render(); }, 120) });
  const tool = element("select", { "aria-label": say("tools"), onchange: () => { state.tool = tool.value; render(); } });
  const filters = element("div", { class: "segments", role: "group", "aria-label": say("only") });
  const use = element("div", { class: "memory-use" }), lists = element("div", { class: "model-lists" });
  place.append(element("div", { class: "wide models" },
    element("div", { class: "row room-head" }, element("div", {}, element("h1", {}, say("models")), element("p", { class: "soft" }, say("lead"))), use),
    element("div", { class: "row filters" }, field, tool, filters), lists));

  async function refresh() {
    try {
      const [list, now] = await Promise.all([get("/v1/models"), get("/v1/system")]);
      if (gone) return;
      [models, system] = [list.data, now];
      operates ??= (await get("/v1/session")).scopes.includes("operate");
      render();
    } catch (error) {
      if (!gone) lists.replaceChildren(trouble(error, refresh));
    }
  }

  function remember() {
    const found = new URLSearchParams();
    if (state.words) found.set("q", state.words);
    if (state.tool) found.set("tool", state.tool);
    for (const name of state.on) found.set(name, "1");
    if (state.open) found.set("id", state.open);
    history.replaceState(null, "", `#/models${found.size ? `?${found}` : ""}`);
  }

  const matches = (model) => {
    const text = [model.id, model.family, model.about, ...model.systems, ...model.tools.map(plain)].join(" ").toLowerCase();
    return state.words.toLowerCase().split(/\s+/).every((word) => text.includes(word)) && (!state.tool || model.tools.includes(state.tool))
      && (!state.on.has("serving") || model.serving) && (!state.on.has("commercial") || model.commercial) && (!state.on.has("fits") || model.fits);
  };

  function render() {
    remember();
    const names = [...new Set(models.flatMap((model) => model.tools))].sort();
    if (tool.options.length !== names.length + 1) tool.replaceChildren(element("option", { value: "" }, say("everyTool")), ...names.map((name) => element("option", { value: name }, plain(name))));
    tool.value = state.tool;
    if (!filters.children.length) {
      filters.append(...FILTERS.map((name) => button(say(name), { "aria-pressed": String(state.on.has(name)), onclick: (event) => {
        if (!state.on.delete(name)) state.on.add(name);
        event.currentTarget.setAttribute("aria-pressed", String(state.on.has(name)));
        state.most = FEW;
        render();
      } })));
    }
    const held = models.filter((model) => model.status === "loaded").reduce((sum, model) => sum + model.memory_bytes * model.workers.length, 0);
    const budgets = system.workers.filter((worker) => worker.live).map((worker) => worker.facts.memory_budget_bytes ?? 0), budget = budgets.reduce((sum, one) => sum + one, 0), label = say("held", { held: bytes(held), budget: bytes(budget) });
    use.replaceChildren(...(budget ? [element("span", { class: "tiny soft" }, label), meter(held, budget, label)] : []));

    const found = models.filter(matches), here = found.filter((model) => model.serving), others = found.filter((model) => !model.serving);
    const focused = document.activeElement?.dataset?.for;
    lists.replaceChildren(
      here.length ? section(say("here"), here) : "",
      others.length ? section(say("others"), others.slice(0, state.most), others.length) : "",
      others.length > state.most ? button(say("showMore", { n: others.length - state.most }), { onclick: () => { state.most += 200; render(); } }) : "",
      found.length ? "" : element("p", { class: "empty" }, say("none")));
    if (focused) lists.querySelector(`[data-for="${CSS.escape(focused)}"]`)?.focus();
  }

  const section = (name, list, number = list.length) => element("section", {}, element("h2", {}, `${name} `, element("span", { class: "soft" }, String(number))), element("ul", { class: "model-list" }, ...list.map(row)));

  function row(model) {
    const open = state.open === model.id, work = busy.get(model.id), able = operates && model.serving && model.memory_bytes > 0;
    const act = model.status === "loaded" ? "unload" : "load";
    const id = `model-${model.id.replace(/\W/g, "-")}`;
    const node = element("li", { class: `model ${model.status}`, "data-model": model.id },
      element("div", { class: "model-head" },
        element("button", { type: "button", class: "model-name", "aria-expanded": String(open), "aria-controls": open && id, "data-for": model.id, onclick: () => { state.open = open ? null : model.id; render(); } }, model.id),
        element("span", { class: `state ${model.status === "loaded" ? "succeeded" : model.status === "failed" || model.status === "away" ? "failed" : model.status === "loading" ? "running" : ""}` }, element("i", { class: "dot" }), say(model.status === "live" && !model.memory_bytes ? "ready" : model.status)),
        element("span", { class: `chip ${model.commercial ? "" : "warn"}` }, `${model.licence} · ${say(model.commercial ? "free" : "notFree")}`),
        model.gated && element("span", { class: "chip" }, say("gated")),
        element("span", { class: "model-size soft tiny" }, model.memory_bytes ? bytes(model.memory_bytes) : say("noWeights")),
        element("span", { class: "space" }),
        work ? element("span", { class: "row soft tiny", role: "status" }, element("i", { class: "spinner" }), work.words, element("a", { href: `#/jobs/${work.job}` }, say("job")))
          : able && button(say(act), { kind: "quiet small", "aria-label": `${say(act)}: ${model.id}`, "data-for": `act ${model.id}`, onclick: () => change(model, act) })),
      element("p", { class: "soft about" }, model.about),
      element("div", { class: "row tools-of" }, ...model.tools.slice(0, open ? 99 : 8).map((name) => element("span", { class: "chip" }, plain(name))), !open && model.tools.length > 8 && element("span", { class: "tiny soft" }, `+${model.tools.length - 8}`)),
      !model.fits && element("p", { class: "tiny busy" }, say("notFit", { need: bytes(model.memory_bytes), budget: bytes(Math.max(0, ...system.workers.map((worker) => worker.facts.memory_budget_bytes ?? 0))) })),
      model.lacks && element("p", { class: "tiny busy" }, model.lacks),
      open && details(model, id));
    return node;
  }

  function details(model, id) {
    const count = (n) => (n >= 1e9 ? say("billions", { n: (n / 1e9).toFixed(1) }) : say("millions", { n: (n / 1e6).toFixed(n < 1e7 ? 1 : 0) }));
    const rows = [
      [say("systems"), model.systems.join(", ")], [say("nearness"), say(model.fidelity)], [say("weights"), model.parameters && count(model.parameters)], [say("need"), Object.entries(model.memory).map(([form, size]) => `${bytes(size)} (${form})`).join(", ")],
      [say("licence"), model.licence], [say("takes"), model.takes.map((name) => say(name)).join(", ")], [say("gives"), model.gives.map((name) => say(name)).join(", ")], [say("space"), model.space], [say("source"), model.source], [say("revision"), model.revision], [say("fallback"), model.fallback],
      [say("memory"), model.served_by.length && say("workers", { n: model.workers.length, all: model.served_by.length })],
    ].filter(([, value]) => value);
    return element("div", { id, class: "model-more" }, element("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
      !model.here && element("p", { class: "tiny soft" }, say("get", { id: model.id })));
  }

  async function change(model, act) {
    try {
      const job = await post(`/v1/models/${model.id}/${act}`);
      const tell = (now) => {
        const news = now.progress.current[0];
        const share = news?.total ? ` ${Math.round((100 * news.done) / news.total)} %` : "";
        busy.set(model.id, { job: job.id, words: `${say(now.status)}${share}` });
        if (!gone) render();
      };
      await ended(job, tell);
      const said = say(act === "load" ? "isLoaded" : "isUnloaded", { name: model.id });
      toast(said);
      announce(said);
    } catch (error) {
      toast(error.message, { bad: true });
    } finally {
      busy.delete(model.id);
      if (!gone) await refresh();
    }
  }

  await refresh();
  if (state.open) lists.querySelector(`[data-model="${CSS.escape(state.open)}"]`)?.scrollIntoView({ block: "center" });
  timer = setInterval(() => { if (!document.hidden && !busy.size && !lists.contains(document.activeElement)) refresh(); }, 10_000);
  return () => { gone = true; clearInterval(timer); };
}
