// The state of the installation, live: queues, workers, what they hold, and the jobs that have not ended.
import { get, listen, post } from "./client.js";
import { button, element, fill, later } from "./dom.js";
import { meter } from "./rooms.js";
import { styles, toast } from "./shell.js";
import { bytes, duration, moment, plain, words } from "./words.js";

const say = words({
  en: {
    lead: "What runs now, and what it runs on.", open: "Open jobs", none: "Nothing runs and nothing waits.", queues: "Queues", lane: "Queue", waits: "waits", runs: "runs", served: "workers", workers: "Workers", holds: "Holds", device: "Device", since: "up for {time}", beat: "heard {time} ago", silent: "silent for {time}",
    versions: "Versions", profile: "Profile", hub: "Hub", events: "Live", lost: "Connection lost; trying again", away: "away", connected: "connected", held: "{held} of {budget}", nothingHeld: "no model yet", lacks: "Cannot load {model}: {why}", cancel: "Stop", position: "place {n}", alone: "No worker is live: jobs wait until one is.",
    cpu: "media", encode: "encoding", generate: "generating", hubLane: "language", lately: "Ended lately", stopped: "Stopping", serves: "serves {n} models",
  },
  zh: {
    lead: "现在运行着什么，运行在哪里。", open: "未结束的任务", none: "没有任务在运行或等待。", queues: "队列", lane: "队列", waits: "等待", runs: "运行", served: "工作进程", workers: "工作进程", holds: "已加载", device: "设备", since: "已运行 {time}", beat: "{time}前有消息", silent: "已沉默 {time}",
    versions: "版本", profile: "配置", hub: "中枢", events: "实时", lost: "连接中断，正在重试", away: "离线", connected: "已连接", held: "{held}，共 {budget}", nothingHeld: "还没有模型", lacks: "无法加载 {model}：{why}", cancel: "停止", position: "第 {n} 位", alone: "没有在线的工作进程：任务会等待。",
    cpu: "媒体", encode: "编码", generate: "生成", hubLane: "语言", lately: "最近结束", stopped: "正在停止", serves: "可服务 {n} 个模型",
  },
});

const ENDED = new Set(["succeeded", "failed", "canceled", "expired"]);
const laneName = (name) => (name === "hub" ? say("hubLane") : say(name));
const ago = (text) => duration(Math.max(0, Math.round((Date.now() - new Date(text)) / 1000)));
const wordsOf = (job) => job.input.find((part) => part.type === "text" && part.text)?.text ?? job.plan?.steps.map((step) => plain(step.tool)).slice(0, 3).join(", ") ?? job.id;

export async function show(place) {
  await styles("rooms.css");
  const jobs = new Map(), sizes = new Map();
  let gone = false, polling;
  const pulse = element("span", { class: "chip live" }), tiles = element("div", { class: "counts" }), open = element("ul", { class: "open-jobs" }), late = element("ul", { class: "open-jobs" });
  const queues = element("tbody", {}), workers = element("ul", { class: "worker-list" }), versions = element("dl", { class: "facts" });
  place.append(element("div", { class: "wide system" },
    element("div", { class: "row room-head" }, element("div", {}, element("h1", {}, say("system")), element("p", { class: "soft" }, say("lead"))), pulse),
    tiles,
    element("div", { class: "two" },
      element("section", { class: "card" }, element("h2", {}, say("open")), open, element("h3", {}, say("lately")), late),
      element("section", { class: "card" }, element("h2", {}, say("queues")),
        element("table", {}, element("thead", {}, element("tr", {}, ...["lane", "waits", "runs", "served"].map((name) => element("th", { scope: "col" }, say(name))))), queues)),
      element("section", { class: "card" }, element("h2", {}, say("workers")), workers),
      element("section", { class: "card" }, element("h2", {}, say("versions")), versions))));

  function alive(good) {
    pulse.className = good ? "chip live" : "chip live bad";
    fill(pulse, String(good), () => [element("i", { class: "dot" }), say(good ? "events" : "lost")]);
  }

  async function look() {
    try {
      const now = await get("/v1/system");
      if (gone) return;
      if (!sizes.size) for (const model of (await get("/v1/models?serving=true")).data) sizes.set(model.id, model.memory_bytes);
      alive(true);
      render(now);
    } catch {
      if (!gone) alive(false);
    }
  }

  function render(now) {
    const live = now.workers.filter((worker) => worker.live);
    const ready = Object.values(now.lanes).reduce((sum, lane) => sum + lane.ready, 0), running = Object.values(now.lanes).reduce((sum, lane) => sum + lane.running, 0);
    fill(tiles, [now.jobs, ready, running, live.length, now.hub], () => [
      ...["running", "queued", "waiting"].map((name) => count(say(name), now.jobs[name] ?? 0, name)),
      count(say("workers"), live.length, live.length ? "" : "failed"),
      count(say("hub"), now.hub ? now.hub.model : say("away"), now.hub?.status === "ok" ? "" : "failed")]);
    fill(queues, now.lanes, () => Object.entries(now.lanes).map(([name, lane]) => element("tr", {}, element("th", { scope: "row" }, laneName(name)),
      element("td", {}, String(lane.ready)), element("td", {}, lane.running ? element("b", { class: "state running" }, String(lane.running)) : "0"), element("td", { class: lane.workers ? "" : "error" }, String(lane.workers)))));
    workers.replaceChildren(...(live.length ? [] : [element("li", { class: "busy" }, say("alone"))]), ...now.workers.map(workerOf));
    fill(versions, [now.version, now.versions, now.redis, now.hub, now.profile], () => [["Medley", now.version], [say("profile"), now.profile], ["Valkey", say(now.redis)], ...Object.entries(now.versions)].flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  }

  const count = (name, value, kind) => element("div", { class: "card count" }, element("b", { class: `state ${value ? kind : ""} ${typeof value === "string" ? "long" : ""}` }, String(value)), element("span", { class: "soft tiny" }, name));

  function workerOf(worker) {
    const held = worker.models.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0), budget = worker.facts.memory_budget_bytes;
    const told = say("held", { held: bytes(held), budget: bytes(budget ?? 0) });
    return element("li", { class: worker.live ? "" : "away" },
      element("div", { class: "row" }, element("i", { class: `dot state ${worker.live ? "succeeded" : "failed"}` }), element("strong", { title: worker.id }, `${worker.facts.host ?? ""} ${worker.facts.pid ?? ""}`.trim() || worker.id.slice(-6)),
        element("span", { class: "chip" }, worker.facts.device ?? "cpu"), ...worker.lanes.map((name) => element("span", { class: "chip" }, laneName(name))), element("span", { class: "space" }),
        element("span", { class: "tiny soft" }, worker.live ? say("since", { time: ago(worker.started_at) }) : say("silent", { time: ago(worker.beat_at) }))),
      worker.live && element("p", { class: "tiny soft" }, `${say("holds")}: ${worker.models.filter((name) => sizes.get(name)).map((name) => `${name} (${bytes(sizes.get(name))})`).join(", ") || say("nothingHeld")}`),
      worker.live && budget > 0 && element("div", { class: "row worker-memory" }, meter(held, budget, told), element("span", { class: "tiny soft" }, told)),
      ...Object.entries(worker.live ? worker.lacks : {}).map(([model, why]) => element("p", { class: "tiny busy" }, say("lacks", { model, why }))));
  }

  function jobOf(job) {
    const share = job.progress.value, ended = ENDED.has(job.status), now = job.progress.current[0];
    return element("li", { "data-job": job.id },
      element("a", { href: `#/jobs/${job.id}` }, wordsOf(job)),
      element("span", { class: `tiny state ${job.status}` }, element("i", { class: "dot" }), `${say(job.status)}${job.queue_position ? ` · ${say("position", { n: job.queue_position + 1 })}` : ""}${now ? ` · ${plain(now.tool)}` : ""} · ${moment(job.created_at)}`),
      !ended && meter(share, 1, `${Math.round(share * 100)} %`),
      !ended && button(say("cancel"), { drawing: "stop", bare: true, "data-stop": job.id, onclick: () => post(`/v1/jobs/${job.id}/cancel`).then(() => toast(say("stopped"))).catch((error) => toast(error.message, { bad: true })) }));
  }

  const showJobs = later(() => {
    if (gone) return;
    const all = [...jobs.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
    const running = all.filter((job) => !ENDED.has(job.status)), done = all.filter((job) => ENDED.has(job.status)).slice(0, 6);
    const key = (list) => list.map((job) => [job.id, job.status, job.progress.value, job.progress.current[0]?.tool, job.queue_position]);
    const stopping = document.activeElement?.dataset?.stop;
    fill(open, key(running), () => (running.length ? running.map(jobOf) : [element("li", { class: "soft" }, say("none"))]));
    fill(late, key(done), () => done.map(jobOf));
    if (stopping) open.querySelector(`[data-stop="${stopping}"]`)?.focus();
  }, 60);

  const asked = new Set();
  const fetchAsked = later(async () => {
    const names = [...asked];
    asked.clear();
    for (const name of names) {
      await get(`/v1/jobs/${name}`).then((job) => jobs.set(name, job)).catch(() => jobs.delete(name));
    }
    showJobs();
    look();
  }, 250);

  alive(true);
  const stop = listen("/v1/events", (name, data) => {
    if (name === "snapshot") {
      for (const job of data.data) jobs.set(job.id, job);
      return showJobs();
    }
    asked.add(data.job);
    fetchAsked();
  }, (bad) => alive(!bad));
  await look();
  polling = setInterval(() => {
    if (document.hidden) return;
    look();
    for (const job of jobs.values()) if (!ENDED.has(job.status)) { asked.add(job.id); fetchAsked(); }
  }, 2500);
  return () => { gone = true; stop(); clearInterval(polling); fetchAsked.cancel(); };
}
