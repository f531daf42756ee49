// The plan at work: as a graph or as a timeline, with a closer look at the step that is chosen.
import { element, fill, icon } from "./dom.js";
import { ENDED } from "./follow.js";
import { WHOLE_JOB } from "./plan_edits.js";
import { showGraph } from "./graph.js";
import { stepPanel } from "./step_panel.js";
import { timeline } from "./timeline.js";
import { GOOD, hasWork, say } from "./turn_words.js";

/** Links around the work: the plan comes before it, the answer after what nothing else reads. */
function aroundOf(steps) {
  const work = steps.filter((step) => !WHOLE_JOB.has(step.tool)),
    read = new Set(work.flatMap((step) => step.needs));
  const plan = steps.find((step) => step.tool === "plan"),
    answer = steps.find((step) => step.tool === "answer");
  const links = plan ? work.filter((step) => !step.needs.length).map((step) => [plan.id, step.id]) : [];
  const ends = work.length ? work.filter((step) => !read.has(step.id)) : [plan].filter(Boolean);
  return answer ? [...links, ...ends.map((step) => [step.id, answer.id])] : links;
}

/**
 * Shows the plan of a job in `work`; with `alone` it stays open when it is done. `redraw()` draws what is known again, `onAgain(job)`
 * gets a job that was made from a step. `{draw(state, tools), leave()}`.
 */
export function workBox(work, { alone, redraw, onAgain }) {
  let graph = null,
    chosen = null,
    tab = "graph",
    opened = null,
    tools = null,
    job = null;

  function leave() {
    graph?.leave();
    graph = null;
  }

  function draw(state, known) {
    job = state.job;
    tools = known;
    const steps = job.plan?.steps ?? [],
      hide = job.waiting_for?.what === "approval" || !hasWork(job) || !tools;
    const words = state.texts.get("plan");
    if (hide) {
      leave();
      return fill(work, ["none", job.status === "running" ? words?.slice(-160) : ""], () =>
        job.status === "running" && words ? element("p", { class: "tiny soft writing" }, words.slice(-160)) : null,
      );
    }
    const open = opened ?? (alone || !GOOD.has(job.status));
    if (fill(work, ["work", open, tab], () => frame(open))) leave();
    const count = steps.filter((step) => !WHOLE_JOB.has(step.tool)).length;
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
            redraw();
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
            redraw();
            work.querySelector("[aria-selected=true]")?.focus();
          },
          onkeydown: (event) => {
            if (["ArrowLeft", "ArrowRight"].includes(event.key)) {
              tab = tab === "graph" ? "timeline" : "graph";
              redraw();
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
              redraw();
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

  return { draw, leave };
}
