// A step as a box of the graph: its tool, its state, what goes in and comes out, a picture of what it makes.
import { contentUrl, thumbnailUrl } from "./client.js";
import { DRAWINGS } from "./dom.js";
import { kindOf } from "./plan_edits.js";
import { Handle, Position, createElement as h, memo } from "./vendor/xyflow.js";
import { plain, words } from "./words.js";

export const say = words({
  en: {
    stepNode: "{id}: {tool}, {state}",
    answer: "Answer",
    input: "Input",
    fault: "{count} to put right",
    attempt: "attempt {number}",
    each: "for each",
    planNode: "plan",
    graph: "Plan as a graph",
    edgeFrom: "{from} to {to}",
  },
  zh: {
    stepNode: "{id}：{tool}，{state}",
    answer: "回答",
    input: "输入",
    fault: "{count} 处需要修正",
    attempt: "第 {number} 次",
    each: "逐项",
    planNode: "计划",
    graph: "计划图",
    edgeFrom: "{from} 到 {to}",
  },
});

const PICTURED = new Set(["image", "video", "audio"]);
export const WIDTH = 232;
const Icon = ({ name }) =>
  h("svg", { viewBox: "0 0 24 24", className: "icon", "aria-hidden": true }, h("path", { d: DRAWINGS[name] ?? DRAWINGS.data }));
const short = (text, most = 60) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** Whether a box keeps room for a picture, so that it does not grow when the picture comes. */
export const isPictured = (tool, state) =>
  Boolean(state) && Object.values(tool?.outputs ?? {}).some((port) => PICTURED.has(port.modalities[0]) && !port.many);

/** How high a box is before it was measured. */
export function heightOf({ tool, state, faults }) {
  const rows = Math.max(Object.keys(tool?.inputs ?? {}).length, Object.keys(tool?.outputs ?? {}).length);
  return 56 + rows * 26 + (isPictured(tool, state) ? 92 : 0) + (faults?.length ? 26 : 0);
}

function valueOf(bound) {
  const one = Array.isArray(bound) ? bound.find((item) => item && !("from" in Object(item))) : bound;
  if (one === undefined || one === null) return null;
  if (typeof one === "string" || one.text !== undefined)
    return h("q", { className: "value", title: one.text ?? one }, short(one.text ?? one, 34));
  if (one.asset)
    return h("img", { className: "value", src: thumbnailUrl(one.asset, 48), alt: "", onError: (event) => event.target.remove() });
  return null;
}

function Ports({ tool, step, editable }) {
  const ins = Object.entries(tool?.inputs ?? {}),
    outs = Object.entries(tool?.outputs ?? {});
  return h(
    "div",
    { className: "ports" },
    h(
      "ul",
      {},
      ins.map(([name, port]) =>
        h(
          "li",
          { key: name, className: kindOf(port) },
          h(Handle, { type: "target", position: Position.Left, id: name, isConnectable: editable, className: kindOf(port) }),
          h(
            "span",
            { className: port.required && !step.inputs?.[name] && editable ? "label missing" : "label" },
            plain(name),
            step.map === name ? ` (${say("each")})` : "",
          ),
          valueOf(step.inputs?.[name]),
        ),
      ),
    ),
    h(
      "ul",
      { className: "out" },
      outs.map(([name, port]) =>
        h(
          "li",
          { key: name, className: kindOf(port) },
          h("span", { className: "label" }, plain(name)),
          h(Handle, { type: "source", position: Position.Right, id: name, isConnectable: editable, className: kindOf(port) }),
        ),
      ),
    ),
  );
}

/** What is seen of a step's work: its last preview while it runs, then the picture that it made. */
function Picture({ state, tool }) {
  const made = Object.values(state?.outputs ?? {})
    .flat()
    .find((part) => part?.asset && PICTURED.has(part.modality));
  if (state?.preview && state.status === "running") return h("div", { className: "made" }, h("img", { src: state.preview, alt: "" }));
  if (made)
    return h(
      "div",
      { className: "made" },
      h("img", { src: made.modality === "image" ? contentUrl(made.asset) : thumbnailUrl(made.asset), alt: "", className: made.modality }),
    );
  return isPictured(tool, state)
    ? h("div", { className: "made empty" }, h(Icon, { name: Object.values(tool.outputs)[0].modalities[0] }))
    : null;
}

const StepNode = memo(({ data }) => {
  const { step, tool, state, faults = [], editable } = data;
  const status = state?.status,
    running = status === "running";
  const total = state?.progress?.total,
    done = total ? state.progress.done / total : 0;
  const kind = kindOf(Object.values(tool?.outputs ?? {})[0]);
  const note = [
    step.id === step.tool ? null : step.id,
    status ? say(status) : null,
    running && done > 0 && done < 1 ? `${Math.round(done * 100)} %` : null,
    state?.attempt > 1 ? say("attempt", { number: state.attempt }) : null,
  ]
    .filter(Boolean)
    .join(" · ");
  return h(
    "div",
    {
      className: `node ${status ?? ""}${faults.length ? " faulty" : ""}`,
      "data-step": step.id,
      "data-state": status,
      title: state?.progress?.message || undefined,
    },
    h(
      "div",
      { className: "head" },
      h("span", { className: `kind ${kind}` }, h(Icon, { name: kind })),
      h("span", { className: "names" }, h("b", {}, plain(step.tool)), h("span", { className: `note state ${status ?? ""}` }, note)),
    ),
    data.ports
      ? h(Ports, { tool, step, editable })
      : [
          h(Handle, { key: "in", type: "target", position: Position.Left, isConnectable: false, className: "plain" }),
          h(Handle, { key: "out", type: "source", position: Position.Right, isConnectable: false, className: "plain" }),
        ],
    h(Handle, { type: "target", position: Position.Left, id: "after", isConnectable: false, className: "hidden" }),
    h(Handle, { type: "source", position: Position.Right, id: "done", isConnectable: false, className: "hidden" }),
    data.ports ? h(Picture, { state, tool }) : null,
    faults.length
      ? h(
          "p",
          { className: "fault", title: faults.map((fault) => `${fault.reason} ${fault.suggestion ?? ""}`).join("\n") },
          faults.length === 1 ? short(faults[0].reason, 64) : say("fault", { count: faults.length }),
        )
      : null,
    running
      ? h("div", { className: "bar" }, h("i", { style: { width: `${Math.max(4, done * 100)}%` }, className: done ? "" : "unknown" }))
      : null,
  );
});

const InputNode = memo(({ data }) =>
  h(
    "div",
    { className: `node ends ${data.input.modality}` },
    h("span", { className: `kind ${data.input.modality}` }, h(Icon, { name: data.input.modality })),
    h("span", { className: "names" }, h("b", {}, data.name), h("span", { className: "note" }, say("input"))),
    h(Handle, { type: "source", position: Position.Right, id: "value", isConnectable: data.editable, className: data.input.modality }),
  ),
);

const ReplyNode = memo(({ data }) =>
  h(
    "div",
    { className: `node ends reply${data.faults?.length ? " faulty" : ""}` },
    h(Handle, { type: "target", position: Position.Left, id: "show", isConnectable: data.editable, className: "plain" }),
    h("span", { className: "kind text" }, h(Icon, { name: "send" })),
    h("span", { className: "names" }, h("b", {}, say("answer")), h("span", { className: "note" }, data.faults?.[0]?.reason ?? "")),
  ),
);

export const NODES = { step: StepNode, input: InputNode, reply: ReplyNode };
