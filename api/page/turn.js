// One turn: what was asked, the plan at work, results as they land, the answer, and what can be done with it.
import { get, post, tools as allTools } from "./client.js";
import { describe } from "./composer.js";
import { button, element, fill, icon } from "./dom.js";
import { ENDED, follow } from "./follow.js";
import { programTabs, recipes } from "./recipe.js";
import { announce, copy, notify } from "./shell.js";
import { drawAnswer, drawLanded, drawRequest } from "./turn_answer.js";
import { drawStatus } from "./turn_status.js";
import { waitingBox } from "./turn_waiting.js";
import { hasWork, say, wordsOf } from "./turn_words.js";
import { workBox } from "./turn_work.js";

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
  let tools = null,
    estimate = null,
    asked = "",
    job = null,
    clock = 0,
    lastStatus = "",
    extra = "",
    last = null;

  const following = follow(
    id,
    (state, { ended }) => render(state, ended),
    (error) => root.replaceChildren(element("div", { class: "trouble error", role: "alert" }, ...describe(error))),
  );
  const box = waitingBox(waiting, id, following.refresh);
  const plan = workBox(work, { alone, redraw: following.show, onAgain });
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
    drawRequest(request, job);
    drawMoving();
    box.draw(job);
    drawLanded(landed, state);
    drawAnswer(answer, state);
    drawFoot();
    price();
    tick();
    tell(ended);
    onJob(job, ended);
  }

  /** What also changes with the clock. */
  function drawMoving() {
    drawStatus(status, last, { estimate, onStop: (pressed) => act(pressed, `/v1/jobs/${id}/cancel`) });
    plan.draw(last, tools);
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
          hasWork(job) && element("a", { class: "button quiet small", href: `#/?plan=${id}` }, icon("graph"), say("editPlan")),
          onEdit && job.kind === "request" && button(say("edit"), { drawing: "pen", kind: "quiet small", onclick: () => onEdit(job) }),
          ...["recipe", "elsewhere"].map((name) =>
            button(say(name), {
              drawing: name === "recipe" ? "data" : "copy",
              kind: "quiet small",
              "aria-expanded": String(extra === name),
              onclick: () => {
                extra = extra === name ? "" : name;
                drawFoot();
                foot.querySelector(".recipes, .programs")?.scrollIntoView({ block: "nearest" });
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
    if (!job.plan || ENDED.has(job.status) || job.status === "waiting" || asked === `${job.plan.revision}` || !hasWork(job)) return;
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
          drawMoving();

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
      plan.leave();
      box.leave();

      root.remove();
    },
    job: () => job,
    refresh: following.refresh,
  };
}
