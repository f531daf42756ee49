// One turn: what was asked, the plan at work, results as they land, the answer, and what can be done with it.
import { get, patch, post, tools as allTools } from "./client.js";
import { composer, describe } from "./composer.js";
import { button, element, fill, icon } from "./dom.js";
import { showEditor } from "./editor.js";
import { ENDED, follow } from "./follow.js";
import { showGraph } from "./graph.js";
import { figures } from "./media.js";
import { programTabs, recipes } from "./recipe.js";
import { announce, copy, notify } from "./shell.js";
import { stepPanel } from "./step_panel.js";
import { timeline } from "./timeline.js";
import { duration, plain, words } from "./words.js";

const say = words({
  en: {
    you: "You",
    medley: "Medley",
    plan: "Plan",
    graph: "Graph",
    timeline: "Timeline",
    steps: "{count} steps",
    step1: "1 step",
    before: "{count} before it in the queue",
    first: "next in the queue",
    planning: "The plan is being made …",
    left: "about {time} left, as earlier runs tell",
    longer: "longer than usual",
    noHistory: "no earlier runs to tell how long",
    took: "took {time}",
    waited: "waited {time}",
    tokens: "{count} tokens",
    cancel: "Stop",
    retryFailed: "Run again from what failed",
    regenerate: "Again",
    edit: "Change and ask again",
    editPlan: "Edit the plan",
    recipe: "Recipe",
    elsewhere: "Use it elsewhere",
    link: "Copy the link",
    linkCopied: "Link copied",
    approveTitle: "This is the plan. Nothing of it has run.",
    approve: "Approve and run",
    save: "Save changes",
    saved: "Saved as revision {number}",
    refuse: "Stop the job",
    question: "A question before it goes on",
    reply: "Reply",
    answerHint: "Answer in words, with files, or both …",
    doneNews: "Done: {words}",
    failedNews: "It failed: {words}",
    waitingNews: "It waits for you.",
    so: "So far",
    failedTitle: "It failed",
    partly: "failed steps: {steps}",
    canceledTitle: "It was stopped.",
    expiredTitle: "It was too late to begin.",
    lost: "The connection was lost; trying again.",
    retryOf: "run again of an earlier job",
    branch: "{at} of {all}",
    previous: "Previous version",
    next: "Next version",
    open: "Open by itself",
    asWorkflow: "Open as a workflow",
    actions: "What can be done with it",
    workflow: "A workflow",
    planGiven: "A plan",
  },
  zh: {
    you: "你",
    medley: "Medley",
    plan: "计划",
    graph: "图",
    timeline: "时间线",
    steps: "{count} 个步骤",
    step1: "1 个步骤",
    before: "队列中前面还有 {count} 个",
    first: "即将开始",
    planning: "正在制定计划…",
    left: "按以往运行，约还需 {time}",
    longer: "比平时久",
    noHistory: "没有可供估时的历史",
    took: "用时 {time}",
    waited: "等待 {time}",
    tokens: "{count} 个词元",
    cancel: "停止",
    retryFailed: "从失败处重新运行",
    regenerate: "再来一次",
    edit: "修改后再问",
    editPlan: "编辑计划",
    recipe: "配方",
    elsewhere: "在别处使用",
    link: "复制链接",
    linkCopied: "链接已复制",
    approveTitle: "这是计划，尚未运行。",
    approve: "批准并运行",
    save: "保存修改",
    saved: "已保存为修订 {number}",
    refuse: "停止任务",
    question: "继续之前有一个问题",
    reply: "回复",
    answerHint: "用文字、文件或两者回答…",
    doneNews: "完成：{words}",
    failedNews: "失败：{words}",
    waitingNews: "正在等待您。",
    so: "目前结果",
    failedTitle: "失败了",
    partly: "失败的步骤：{steps}",
    canceledTitle: "已停止。",
    expiredTitle: "已错过开始时间。",
    lost: "连接中断，正在重试。",
    retryOf: "先前任务的重新运行",
    branch: "第 {at} 个，共 {all} 个",
    previous: "上一个版本",
    next: "下一个版本",
    open: "单独打开",
    asWorkflow: "作为工作流打开",
    actions: "可做的操作",
    workflow: "工作流",
    planGiven: "计划",
  },
});

const GOOD = new Set(["succeeded", "cached"]);
const wordsOf = (job) =>
  job.input
    .filter((part) => part.type === "text" && part.text)
    .map((part) => part.text)
    .join("\n");

/** Links around the work: the plan comes before it, the answer after what nothing else reads. */
function aroundOf(steps) {
  const whole = new Set(["plan", "answer"]),
    work = steps.filter((step) => !whole.has(step.tool)),
    read = new Set(work.flatMap((step) => step.needs));
  const plan = steps.find((step) => step.tool === "plan"),
    answer = steps.find((step) => step.tool === "answer");
  const links = plan ? work.filter((step) => !step.needs.length).map((step) => [plan.id, step.id]) : [];
  const ends = work.length ? work.filter((step) => !read.has(step.id)) : [plan].filter(Boolean);
  return answer ? [...links, ...ends.map((step) => [step.id, answer.id])] : links;
}

/**
 * Shows job `id` in `place` and follows it. Options: `alone` (the plan stays open), `branches` ({at, all, go(by)}: versions of this
 * turn), `onJob(job, ended)`, `onAgain(job)` for a job that was made from this one, `onEdit(job)` for asking in other words.
 */
export function showTurn(place, id, { alone = false, branches = null, onJob = () => {}, onAgain, onEdit }) {
  const part = (name, attributes = {}) => element("div", { class: name, ...attributes });
  const request = part("request"),
    status = part("status"),
    waiting = part("waiting-box"),
    work = part("work"),
    landed = part("landed"),
    answer = part("answer-box"),
    foot = part("foot");
  const root = element("article", { class: "turn", "data-job": id }, request, status, waiting, work, landed, answer, foot);
  place.append(root);
  let graph = null,
    editor = null,
    question = null,
    tools = null,
    chosen = null,
    tab = "graph",
    opened = null,
    estimate = null,
    asked = "",
    job = null,
    clock = 0,
    lastStatus = "",
    extra = "",
    last = null;
  const dispose = () => {
    graph?.leave();
    graph = null;
  };

  const following = follow(
    id,
    (state, { ended }) => render(state, ended),
    (error) => root.replaceChildren(element("div", { class: "trouble error", role: "alert" }, ...describe(error))),
  );
  allTools()
    .then((found) => {
      tools = found;
      if (job) following.show();
    })
    .catch(() => {});

  async function act(button, path, body) {
    button.disabled = true;
    try {
      return await post(path, body);
    } catch (error) {
      root.querySelector(".trouble")?.remove();
      status.append(element("div", { class: "trouble error", role: "alert" }, ...describe(error)));
      button.disabled = false;
      return null;
    } finally {
      following.refresh();
    }
  }

  const again = async (event, body) => {
    const made = await act(event.currentTarget, `/v1/jobs/${id}/retry`, body);
    if (made) onAgain(made);
  };

  function render(state, ended) {
    last = state;
    job = state.job;
    root.dataset.status = job.status;
    drawRequest();
    drawStatus(state);
    drawWaiting();
    drawWork(state);
    drawLanded(state);
    drawAnswer(state);
    drawFoot();
    price();
    tick();
    tell(ended);
    onJob(job, ended);
  }

  function drawRequest() {
    const given = job.input.filter((one) => one.asset).map((one) => ({ asset: one.asset, type: one.modality, name: "" }));
    const text = wordsOf(job) || (job.kind === "workflow" ? say("workflow") : job.kind === "plan" ? say("planGiven") : "");
    fill(request, [text, given, job.retry_of, Boolean(onEdit)], () =>
      element(
        "div",
        { class: "bubble" },
        element("span", { class: "unseen" }, say("you")),
        given.length ? element("div", { class: "media small" }, ...figures(given)) : null,
        text && element("p", { class: "said" }, text),
        job.retry_of && element("a", { class: "tiny", href: `#/jobs/${job.retry_of}` }, say("retryOf")),
        job.workflow && element("a", { class: "tiny", href: `#/workflows/${job.workflow}` }, job.workflow),
      ),
    );
  }

  function remaining() {
    if (!estimate?.seconds || !job.started_at) return "";
    const from = Date.parse(job.plan?.steps.find((step) => step.tool === "plan")?.completed_at ?? job.started_at);
    const left = estimate.seconds.p50 - (Date.now() - from) / 1000;
    return left > 0.3 ? say("left", { time: duration(left) }) : say("longer");
  }

  function notes() {
    if (job.status === "queued") return [job.queue_position ? say("before", { count: job.queue_position }) : say("first")];
    if (job.status === "running" && job.phase === "planning") return [say("planning")];
    if (job.status === "running") return [estimate && !estimate.seconds ? say("noHistory") : remaining()];
    if (!ENDED.has(job.status)) return [];
    const { queue_ms: queue, execution_ms: ran } = job.metrics,
      tokens = (job.usage?.input_tokens ?? 0) + (job.usage?.output_tokens ?? 0);
    return [
      ran !== null && say("took", { time: duration(ran / 1000) }),
      queue > 500 && say("waited", { time: duration(queue / 1000) }),
      tokens > 0 && say("tokens", { count: tokens }),
    ];
  }

  function drawStatus({ lost }) {
    const messages = job.progress.current.map((one) => one.message).filter(Boolean);
    fill(status, [job.status, lost, ENDED.has(job.status)], () =>
      [
        element(
          "div",
          { class: "row" },
          element("span", { class: `state ${job.status}`, "data-status": job.status }, element("i", { class: "dot" }), say(job.status)),
          element("span", { class: "tiny soft notes" }),
          element("span", { class: "space" }),
          lost && element("span", { class: "tiny error" }, say("lost")),
          !ENDED.has(job.status) &&
            button(say("cancel"), {
              drawing: "stop",
              kind: "quiet small",
              onclick: (event) => act(event.currentTarget, `/v1/jobs/${id}/cancel`),
            }),
        ),
        ENDED.has(job.status) ? null : element("progress", { max: 1, value: 0, "aria-label": say("running") }),
      ].filter(Boolean),
    );
    const line = [...notes(), ...messages].filter(Boolean).join(" · "),
      spot = status.querySelector(".notes"),
      bar = status.querySelector("progress");
    if (spot && spot.textContent !== line) spot.textContent = line;
    if (bar) bar.value = job.progress.value;
  }

  function drawWaiting() {
    const what = job.waiting_for?.what ?? "";
    const key = what && `${what} ${job.plan?.revision} ${job.waiting_for.question}`;
    if (waiting.shownKey === key) return;
    waiting.shownKey = key;
    editor?.leave();
    question?.leave();
    editor = question = null;
    waiting.replaceChildren();
    if (what === "approval") approval();
    if (what === "input") {
      question = composer({
        id: `reply-${id}`,
        label: job.waiting_for.question,
        hint: say("answerHint"),
        send: say("reply"),
        rows: 1,
        onSend: async (input) => {
          await post(`/v1/jobs/${id}/input`, { input });
          following.refresh();
        },
      });
      waiting.append(
        element(
          "section",
          { class: "question card" },
          element("h2", {}, say("question")),
          element("p", { class: "said" }, job.waiting_for.question),
          question.node,
        ),
      );
      question.field.focus({ preventScroll: true });
    }
  }

  async function approval() {
    const trouble = element("div", { class: "error", role: "alert" }),
      spot = element("div", {});
    let revision = job.plan.revision,
      changed = false;
    const fail = (error) => trouble.replaceChildren(...describe(error));
    const approve = button(say("approve"), {
      kind: "",
      drawing: "check",
      onclick: async () => {
        approve.disabled = true;
        try {
          await post(`/v1/jobs/${id}/approve`, { revision, ...(changed ? { plan: editor.plan() } : {}) });
          following.refresh();
        } catch (error) {
          fail(error);
          approve.disabled = false;
        }
      },
    });
    const keep = button(say("save"), {
      kind: "quiet small",
      disabled: true,
      onclick: async () => {
        try {
          await patch(`/v1/jobs/${id}/plan`, editor.plan(), { "If-Match": `"${revision}"` });
          announce(say("saved", { number: revision + 1 }));
          following.refresh();
        } catch (error) {
          fail(error);
        }
      },
    });
    waiting.append(
      element(
        "section",
        { class: "card approval" },
        element("div", { class: "row" }, element("h2", {}, say("approveTitle"))),
        spot,
        trouble,
      ),
    );
    try {
      const plan = await get(`/v1/jobs/${id}/plan`);
      const { approve: _, ...options } = job.options;
      editor = await showEditor(spot, plan, {
        actions: [keep, approve],
        judge: { models: options.models ?? {}, ...(options.max_steps ? { max_steps: options.max_steps } : {}) },
        onchange: (_plan, { valid, judged }) => {
          if (valid === null) changed = true;
          approve.disabled = valid === false;
          keep.disabled = !changed || valid !== true;
          if (judged) trouble.replaceChildren();
        },
      });
    } catch (error) {
      fail(error);
    }
  }

  function drawWork(state) {
    const steps = job.plan?.steps ?? [],
      hide = job.waiting_for?.what === "approval" || !steps.some((step) => !["plan", "answer"].includes(step.tool)) || !tools;
    const words = state.texts.get("plan");
    if (hide) {
      dispose();
      return fill(work, ["none", job.status === "running" ? words?.slice(-160) : ""], () =>
        job.status === "running" && words ? element("p", { class: "tiny soft writing" }, words.slice(-160)) : null,
      );
    }
    const open = opened ?? (alone || !GOOD.has(job.status));
    if (fill(work, ["work", open, tab], () => frame(open))) dispose();
    const count = steps.filter((step) => !["plan", "answer"].includes(step.tool)).length;
    const line = [
      count === 1 ? say("step1") : say("steps", { count }),
      steps.filter((step) => step.status === "cached").length
        ? `${steps.filter((step) => step.status === "cached").length} ${say("cached")}`
        : "",
    ]
      .filter(Boolean)
      .join(" · ");
    work.querySelector(".count").textContent = line;
    if (!open) return;
    if (tab === "graph") drawGraph(state, steps);
    else
      fill(
        work.querySelector(".view"),
        [steps.map((step) => [step.status, step.started_at, step.completed_at]), Math.floor(Date.now() / 500)],
        () =>
          timeline(job, Date.now(), (step) => {
            tab = "graph";
            chosen = step;
            following.show();
          }),
      );
    drawPanel();
  }

  function frame(open) {
    const switchTo = (name) =>
      element(
        "button",
        {
          type: "button",
          role: "tab",
          "aria-selected": String(tab === name),
          tabindex: tab === name ? 0 : -1,
          onclick: () => {
            tab = name;
            following.show();
            work.querySelector("[aria-selected=true]")?.focus();
          },
          onkeydown: (event) => {
            if (["ArrowLeft", "ArrowRight"].includes(event.key)) {
              tab = tab === "graph" ? "timeline" : "graph";
              following.show();
              work.querySelector("[aria-selected=true]")?.focus();
            }
          },
        },
        say(name),
      );
    return [
      element(
        "div",
        { class: "row" },
        element(
          "button",
          {
            type: "button",
            class: "fold",
            "aria-expanded": String(open),
            onclick: () => {
              opened = !open;
              following.show();
              work.querySelector(".fold")?.focus();
            },
          },
          icon(open ? "down" : "right"),
          element("b", {}, say("plan")),
          element("span", { class: "tiny soft count" }),
        ),
        element("span", { class: "space" }),
        open && element("div", { class: "tabs", role: "tablist", "aria-label": say("plan") }, switchTo("graph"), switchTo("timeline")),
      ),
      open &&
        element(
          "div",
          { class: "sides" },
          element("div", { class: "view", role: "tabpanel", "aria-label": say(tab) }),
          element("section", { class: "inspector", hidden: true }),
        ),
    ].filter(Boolean);
  }

  function drawGraph({ previews }, steps) {
    const plan = { steps: steps.map(({ id: step, tool, inputs, params }) => ({ id: step, tool, inputs, params })), reply: job.plan.reply };
    const states = Object.fromEntries(
      steps.map((step) => [
        step.id,
        { status: step.status, progress: step.progress, outputs: step.outputs, attempt: step.attempt, preview: previews.get(step.id) },
      ]),
    );
    const links = aroundOf(steps);
    if (graph) return graph.update({ plan, states, links });
    graph = showGraph(work.querySelector(".view"), plan, {
      tools,
      states,
      links,
      onselect: (step) => {
        chosen = step;
        drawPanel();
      },
    });
    if (chosen) graph.select(chosen);
  }

  function drawPanel() {
    const panel = work.querySelector(".inspector"),
      step = job.plan?.steps.find((one) => one.id === chosen);
    if (!panel) return;
    panel.hidden = !step;
    panel.parentElement.classList.toggle("open", Boolean(step));
    if (!step) return;
    panel.setAttribute("aria-label", step.id);
    fill(panel, [step.id, step.status, Object.keys(step.outputs).length, ENDED.has(job.status)], () =>
      stepPanel(job, step, tools.get(step.tool), {
        ended: ENDED.has(job.status),
        onAgain,
        onClose: () => {
          graph?.select(null);
          chosen = null;
          drawPanel();
        },
      }),
    );
  }

  /** Pictures, sounds and words that are there before the answer is. */
  function drawLanded(state) {
    if (ENDED.has(job.status) || job.status === "waiting") return fill(landed, "", () => null);
    const made = (job.plan?.steps ?? [])
      .filter((step) => GOOD.has(step.status) && !["plan", "answer"].includes(step.tool))
      .flatMap((step) =>
        Object.entries(step.outputs).flatMap(([name, given]) =>
          [given].flat().map((one) => ({ ...one, step: step.id, name: `${step.id} · ${plain(name)}` })),
        ),
      );
    const media = made
      .filter((one) => one.asset && one.modality !== "embedding")
      .map((one) => ({ asset: one.asset, type: one.modality, step: one.step, name: one.name }));
    const texts = made.filter((one) => one.text);
    const running = (job.plan?.steps ?? [])
      .filter((step) => step.status === "running" && state.previews.has(step.id))
      .map((step) => step.id);
    fill(landed, [media.map((one) => one.asset), texts.map((one) => one.text), running], () =>
      media.length || texts.length || running.length
        ? [
            element("h3", {}, say("so")),
            ...texts.map((one) => element("p", { class: "said soft" }, one.text)),
            element(
              "div",
              { class: "media" },
              ...figures(media),
              ...running.map((step) =>
                element(
                  "figure",
                  { class: "image preview", "data-preview": step },
                  element("img", { alt: step }),
                  element("figcaption", {}, step),
                ),
              ),
            ),
          ]
        : null,
    );
    for (const step of running) {
      const spot = landed.querySelector(`[data-preview="${step}"] img`);
      if (spot && spot.src !== state.previews.get(step)) spot.src = state.previews.get(step);
    }
  }

  function drawAnswer(state) {
    const shown = job.outputs
      .filter((output) => output.asset)
      .map((output) => ({
        asset: output.asset,
        type: output.type,
        step: output.step,
        name: output.name ?? "",
        alt: `${output.type}: ${wordsOf(job)}`.slice(0, 160),
      }));
    const texts = job.outputs.filter((output) => output.type === "text" && output.text).map((output) => output.text),
      data = job.outputs.filter((output) => output.data !== null && output.data !== undefined);
    const written =
      job.answer?.text ||
      texts.join("\n") ||
      (ENDED.has(job.status) ? "" : (state.texts.get("answer") ?? "").replaceAll(/\s*\[a\d*\]?/g, ""));
    const failed = (job.plan?.steps ?? []).filter((step) => ["failed", "dead"].includes(step.status));
    fill(answer, [written, shown, data, job.status, job.error, failed.map((step) => step.id)], () =>
      [
        written || shown.length || data.length
          ? element(
              "div",
              { class: "reply" },
              element("span", { class: "unseen" }, say("medley")),
              written && element("p", { class: "said answer" }, written),
              shown.length > 0 && element("div", { class: "media" }, ...figures(shown)),
              ...data.map((output) => element("pre", {}, JSON.stringify(output.data, null, 1))),
            )
          : null,
        job.status === "failed" &&
          element(
            "div",
            { class: "trouble" },
            element("h2", {}, say("failedTitle")),
            element("p", { class: "error" }, job.error?.message ?? ""),
            ...(job.error?.errors ?? []).map((fault) =>
              element(
                "p",
                { class: "tiny" },
                element("code", {}, fault.pointer ?? ""),
                ` ${fault.reason ?? ""} `,
                fault.suggestion && element("b", {}, fault.suggestion),
              ),
            ),
            ...failed.map((step) =>
              element(
                "p",
                { class: "tiny" },
                element("b", {}, `${step.id} · ${plain(step.tool)}`),
                step.error?.message && step.error.message !== job.error?.message ? `: ${step.error.message}` : "",
              ),
            ),
          ),
        job.status === "canceled" && element("p", { class: "soft" }, say("canceledTitle")),
        job.status === "expired" && element("p", { class: "soft" }, say("expiredTitle")),
      ].filter(Boolean),
    );
  }

  function drawFoot() {
    if (!ENDED.has(job.status)) return fill(foot, ["versions", branches?.at, branches?.all], () => versions());
    const broken =
      (job.plan?.steps ?? []).some((step) => ["failed", "dead", "canceled", "skipped"].includes(step.status)) || job.status === "failed";
    fill(foot, ["ended", extra, broken, branches?.at, branches?.all], () =>
      [
        element(
          "div",
          { class: "row", role: "group", "aria-label": say("actions") },
          versions(),
          broken && button(say("retryFailed"), { drawing: "again", kind: "quiet small", onclick: (event) => again(event, {}) }),
          job.kind === "request" &&
            button(say("regenerate"), { drawing: "again", kind: "quiet small", onclick: (event) => again(event, { from: "plan" }) }),
          job.plan?.steps.some((step) => !["plan", "answer"].includes(step.tool)) &&
            element("a", { class: "button quiet small", href: `#/?plan=${id}` }, icon("graph"), say("editPlan")),
          onEdit && job.kind === "request" && button(say("edit"), { drawing: "pen", kind: "quiet small", onclick: () => onEdit(job) }),
          ...["recipe", "elsewhere"].map((name) =>
            button(say(name), {
              drawing: name === "recipe" ? "data" : "copy",
              kind: "quiet small",
              "aria-expanded": String(extra === name),
              onclick: () => {
                extra = extra === name ? "" : name;
                drawFoot();
              },
            }),
          ),
          button(say("link"), { drawing: "link", bare: true, onclick: () => copy(`${location.origin}/#/jobs/${id}`, say("linkCopied")) }),
          !alone &&
            element("a", { class: "button quiet bare", href: `#/jobs/${id}`, "aria-label": say("open"), title: say("open") }, icon("full")),
        ),
        extra === "recipe" && recipes(job),
        extra === "elsewhere" && programTabs(job),
      ].filter(Boolean),
    );
  }

  function versions() {
    if (!branches || branches.all < 2) return null;
    return element(
      "span",
      { class: "row versions" },
      button(say("previous"), { drawing: "left", bare: true, disabled: branches.at <= 1, onclick: () => branches.go(-1) }),
      element("span", { class: "tiny soft" }, say("branch", branches)),
      button(say("next"), { drawing: "right", bare: true, disabled: branches.at >= branches.all, onclick: () => branches.go(1) }),
    );
  }

  /** Asks once per plan what it will take; asking costs no model anything. */
  async function price() {
    if (
      !job.plan ||
      ENDED.has(job.status) ||
      job.status === "waiting" ||
      asked === `${job.plan.revision}` ||
      !job.plan.steps.some((step) => !["plan", "answer"].includes(step.tool))
    )
      return;
    asked = `${job.plan.revision}`;
    try {
      estimate = (await post("/v1/plans", { plan: await get(`/v1/jobs/${id}/plan`) })).estimate;
    } catch {
      estimate = null;
    }
  }

  /** While it runs, the clock goes on without events. */
  function tick() {
    clearTimeout(clock);
    if (!ENDED.has(job.status) && job.status !== "waiting")
      clock = setTimeout(() => {
        if (root.isConnected) {
          drawStatus(last);
          drawWork(last);
          tick();
        }
      }, 1000);
  }

  function tell(ended) {
    const short = wordsOf(job).slice(0, 60);
    if (ended) {
      const line = say(job.status === "succeeded" ? "doneNews" : "failedNews", { words: short });
      announce(line);
      notify(say(job.status));
    } else if (job.status === "waiting" && lastStatus !== "waiting" && lastStatus) {
      announce(say("waitingNews"));
      notify(say("waiting"));
    }
    lastStatus = job.status;
  }

  return {
    node: root,
    leave() {
      following.stop();
      clearTimeout(clock);
      dispose();
      editor?.leave();
      question?.leave();
      root.remove();
    },
    job: () => job,
    refresh: following.refresh,
  };
}
