// Running a workflow: a form made of its inputs, the job as it goes, what came out.
import { get, post, thumbnailUrl, upload } from "./client.js";
import { button, element, fill, icon } from "./dom.js";
import { ENDED, follow } from "./follow.js";
import { figures } from "./media.js";
import { meter } from "./rooms.js";
import { moment, plain, words } from "./words.js";

const say = words({
  en: { run: "Run", seed: "Seed", anySeed: "random", pick: "Choose a file", lately: "or one of the newest", drop: "or drop it here", perLine: "One item for each line.", stop: "Stop", job: "Open the job", needs: "This input is missing.", runs: "Earlier runs", again: "Run again", optional: "optional", took: "Words", fix: "Put the faults right first." },
  zh: { run: "运行", seed: "种子", anySeed: "随机", pick: "选择文件", lately: "或最近的一个", drop: "或拖到这里", perLine: "每行一项。", stop: "停止", job: "打开任务", needs: "缺少此输入。", runs: "以前的运行", again: "再次运行", optional: "可选", took: "文字", fix: "请先修正错误。" },
});

const listed = (value) => (Array.isArray(value) ? value : value === undefined ? [] : [value]);

/** One input as a field; `set(value)` with undefined: not given. */
function field(name, input, value, set, fault) {
  const id = `run-${name}`, kinds = input.modality.split("|");
  const head = element("label", { for: id }, plain(name), input.required === false || input.default !== undefined ? element("span", { class: "soft tiny" }, ` ${say("optional")}`) : null);
  const about = input.about && element("p", { class: "tiny soft", id: `${id}-about` }, input.about);
  const wrong = fault && element("p", { class: "fault tiny", role: "alert" }, fault);
  const shared = { id, "aria-describedby": input.about ? `${id}-about` : null, "aria-invalid": fault ? "true" : null };
  if (kinds.includes("text")) {
    const shown = listed(value).map((one) => (typeof one === "string" ? one : "")).join("\n");
    const area = element("textarea", { ...shared, rows: input.many ? 3 : 2, value: shown, placeholder: input.default ?? "", oninput: () => set(area.value === "" ? undefined : input.many ? area.value.split("\n").filter(Boolean) : area.value) });
    return element("div", { class: "field" }, head, about, area, input.many && element("p", { class: "tiny soft" }, say("perLine")), wrong);
  }
  return element("div", { class: "field" }, head, about, files(shared, kinds, input, value, set), wrong);
}

function files(shared, kinds, input, value, set) {
  let chosen = listed(value).map((one) => one.asset);
  const list = element("ul", { class: "chosen" }), recent = element("div", { class: "recent-assets" }), trouble = element("span", { class: "fault tiny", role: "alert" });
  const give = () => { set(chosen.length ? (input.many ? chosen.map((asset) => ({ asset })) : { asset: chosen[0] }) : undefined); showChosen(); };
  const put = (asset) => { chosen = input.many ? [...chosen, asset] : [asset]; give(); };
  const pick = element("input", { ...shared, type: "file", multiple: input.many, accept: kinds.filter((kind) => ["image", "audio", "video"].includes(kind)).map((kind) => `${kind}/*`).join(",") || null, onchange: () => take([...pick.files]) });

  async function take(given) {
    trouble.textContent = "";
    for (const file of given) {
      try { put((await upload(file)).id); } catch (error) { trouble.textContent = error.message; }
    }
    pick.value = "";
  }

  function showChosen() {
    list.replaceChildren(...chosen.map((asset, place) => element("li", {}, element("img", { src: thumbnailUrl(asset, 128), alt: asset }), button(say("remove"), { drawing: "close", bare: true, onclick: () => { chosen = chosen.filter((_, number) => number !== place); give(); } }))));
    for (const node of recent.querySelectorAll("button")) node.setAttribute("aria-pressed", String(chosen.includes(node.dataset.asset)));
  }

  const asked = new URLSearchParams([["limit", "8"], ...kinds.map((kind) => ["modality", kind])]);
  get(`/v1/assets?${asked}`).then((page) => {
    recent.replaceChildren(...page.data.map((asset) => element("button", { type: "button", class: "quiet", "data-asset": asset.id, "aria-pressed": "false", "aria-label": asset.origin.words ?? asset.name ?? plain(asset.modality), title: asset.origin.words ?? asset.name ?? "", onclick: () => (chosen.includes(asset.id) ? (chosen = chosen.filter((one) => one !== asset.id), give()) : put(asset.id)) },
      asset.urls.thumbnail ? element("img", { src: thumbnailUrl(asset.id, 96), alt: "", loading: "lazy" }) : icon(asset.modality))));
    showChosen();
  }).catch(() => {});
  showChosen();
  return element("div", { class: "file-field", ondragover: (event) => event.preventDefault(), ondrop: (event) => { event.preventDefault(); event.stopPropagation(); take([...event.dataTransfer.files]); } },
    element("div", { class: "row" }, list, element("label", { class: "button quiet small", for: shared.id }, icon("clip"), say("pick"), pick), element("span", { class: "tiny soft" }, say("drop")), trouble),
    element("p", { class: "tiny soft" }, say("lately")), recent);
}

/**
 * The form in `place` over `flow()`: the workflow as it stands. `saved()` is its id when it has no unsaved changes. The run that was
 * watched last is shown again after a reload.
 * `onStates(states)` gets what each step does, for the graph. Gives `{redraw, leave}`.
 */
export function showRun(place, { id, flow, saved, workflow, onStates, valid }) {
  let values = {}, seed = "", faults = {}, watched = null, jobId = null;
  const form = element("form", { class: "run-form", onsubmit: (event) => { event.preventDefault(); run(); } });
  const result = element("section", { class: "run-result", "aria-live": "polite" }), runs = element("div", { class: "runs" });
  place.replaceChildren(element("div", { class: "run" }, form, element("div", { class: "grow" }, result, runs)));

  function redraw() {
    const inputs = flow().inputs;
    values = Object.fromEntries(Object.entries(values).filter(([name]) => name in inputs));
    form.replaceChildren(
      ...Object.entries(inputs).map(([name, input]) => field(name, input, values[name], (value) => { if (value === undefined) delete values[name]; else values[name] = value; }, faults[name])),
      element("div", { class: "row" }, element("button", { type: "submit", id: "run-flow" }, icon("play"), say("run")),
        element("label", { class: "check tiny" }, say("seed"), element("input", { type: "number", class: "seed", min: 0, step: 1, value: seed, placeholder: say("anySeed"), oninput: (event) => { seed = event.target.value; } }))));
  }

  async function run() {
    faults = {};
    if (valid() === false) return showTrouble(new Error(say("fix")));
    const body = { inputs: values, options: seed === "" ? {} : { seed: Number(seed) } }, stored = saved();
    try {
      const job = stored ? await post(`/v1/workflows/${stored}/runs`, body) : await post("/v1/jobs", { workflow: flow(), ...body });
      watch(job.id);
    } catch (error) {
      for (const fault of error.errors ?? []) { const name = fault.pointer?.match(/^\/inputs\/([^/]+)/)?.[1]; if (name) faults[name] = `${fault.reason} ${fault.suggestion ?? ""}`; }
      showTrouble(error);
    }
    redraw();
  }

  function showTrouble(error) {
    const rest = (error.errors ?? []).filter((fault) => !fault.pointer?.startsWith("/inputs/"));
    fill(result, `trouble ${Date.now()}`, () => element("div", { class: "trouble", role: "alert" }, element("p", {}, error.message), ...rest.map((fault) => element("p", { class: "tiny" }, `${fault.pointer} ${fault.reason} ${fault.suggestion ?? ""}`))));
  }

  function watch(wanted) {
    watched?.stop();
    jobId = wanted;
    sessionStorage.setItem(`flow-run:${id}`, wanted);
    watched = follow(wanted, ({ job, previews }, { ended }) => {
      if (jobId !== wanted) return;
      showJob(job);
      onStates(Object.fromEntries((job.plan?.steps ?? []).map((step) => [step.id, { ...step, preview: previews.get(step.id) }])));
      if (ended) showRuns();
    }, (error) => (error.status === 404 ? sessionStorage.removeItem(`flow-run:${id}`) : showTrouble(error)));
  }

  function showJob(job) {
    const share = job.progress.value, done = ENDED.has(job.status), now = job.progress.current[0];
    fill(result, [job.id, job.status, Math.round(share * 50), now?.tool, job.outputs.length], () => [
      element("div", { class: "row" }, element("span", { class: `state ${job.status}`, "data-run": job.status }, element("i", { class: "dot" }), say(job.status), now ? ` · ${plain(now.tool)}` : ""),
        !done && meter(share, 1, `${Math.round(share * 100)} %`), element("span", { class: "space" }),
        !done && button(say("stop"), { drawing: "stop", kind: "quiet small", onclick: () => post(`/v1/jobs/${job.id}/cancel`).catch(showTrouble) }), element("a", { href: `#/jobs/${job.id}` }, say("job"))),
      job.error && element("p", { class: "error", role: "alert" }, job.error.message ?? String(job.error)),
      ...job.outputs.filter((output) => output.text).map((output) => element("p", { class: "said" }, output.text)),
      element("div", { class: "media" }, ...figures(job.outputs.filter((output) => output.asset)))]);
  }

  async function showRuns() {
    if (!workflow) return;
    const page = await get(`/v1/jobs?workflow=${workflow}&limit=6`).catch(() => null);
    if (page?.data.length) fill(runs, page.data.map((job) => [job.id, job.status]), () => [element("h3", {}, say("runs")), element("ul", { class: "run-list" }, ...page.data.map((job) => element("li", {},
      element("button", { type: "button", class: "quiet small", onclick: () => watch(job.id) }, element("span", { class: `state ${job.status}` }, element("i", { class: "dot" })), `${say(job.status)} · ${moment(job.created_at)}`))))]);
  }

  redraw();
  showRuns();
  const last = sessionStorage.getItem(`flow-run:${id}`);
  if (last) watch(last);
  return { redraw, leave: () => watched?.stop() };
}
