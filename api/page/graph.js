// The plan as a picture: one box per step, laid out by dagre, coloured by state, with a progress bar.
import * as dagre from "./vendor/dagre.js";
import { say } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 176, HEIGHT = 54;
const layoutOf = dagre.layout ?? dagre.default.layout;
const Graph = dagre.graphlib?.Graph ?? dagre.Graph ?? dagre.default.graphlib.Graph;

function make(tag, attributes = {}, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Edges as drawn: the plan comes before the work, and the answer waits for all that nothing else reads. */
function edgesOf(steps) {
  const read = new Set(steps.flatMap((step) => step.needs ?? []));
  const plan = steps.find((step) => step.tool === "plan"), work = steps.filter((step) => step.tool !== "plan" && step.tool !== "answer");
  const answer = steps.find((step) => step.tool === "answer");
  const edges = work.flatMap((step) => (step.needs ?? []).map((need) => [need, step.id]));
  if (plan) edges.push(...work.filter((step) => !step.needs?.length).map((step) => [plan.id, step.id]));
  if (answer) edges.push(...(work.length ? work.filter((step) => !read.has(step.id)) : [plan]).filter(Boolean).map((step) => [step.id, answer.id]));
  return edges;
}

function place(steps) {
  const graph = new Graph().setGraph({ rankdir: "LR", nodesep: 18, ranksep: 46, marginx: 14, marginy: 14 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const step of steps) graph.setNode(step.id, { width: WIDTH, height: HEIGHT });
  for (const [from, to] of edgesOf(steps)) if (graph.hasNode(from)) graph.setEdge(from, to);
  layoutOf(graph);
  return graph;
}

function drawNode(step, { x, y }) {
  const state = step.status ?? "blocked";
  const group = make("g", { class: `node ${state}`, transform: `translate(${x - WIDTH / 2} ${y - HEIGHT / 2})`, "data-step": step.id });
  const done = step.progress?.total ? step.progress.done / step.progress.total : 0;
  const percent = state === "running" && done > 0 ? ` ${Math.round(done * 100)} %` : "";
  group.append(
    make("title", {}, `${step.id}: ${step.tool} (${say(state)})${step.model ? `\n${step.model}` : ""}`),
    make("rect", { class: "box", width: WIDTH, height: HEIGHT, rx: 9 }),
    make("text", { x: 12, y: 22 }, step.tool.replaceAll("_", " ")),
    make("text", { x: 12, y: 39, class: "note" }, `${step.id === step.tool ? "" : `${step.id} · `}${say(state)}${percent}`),
  );
  if (state === "running") group.append(make("rect", { class: "bar", x: 3, y: HEIGHT - 6, height: 3, width: Math.max(4, (WIDTH - 6) * done), rx: 1.5 }));
  return group;
}

/** An SVG element of the steps `[{id, tool, needs, status, progress?}]`. */
export function drawPlan(steps) {
  const graph = place(steps);
  const { width, height } = graph.graph();
  const svg = make("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": steps.map((step) => `${step.tool} ${say(step.status ?? "blocked")}`).join(", ") });
  const marker = make("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" });
  marker.append(make("path", { d: "M0 0 8 4 0 8z" }));
  const defs = make("defs");
  defs.append(marker);
  svg.append(defs);
  for (const edge of graph.edges()) {
    const points = graph.edge(edge).points.map((point) => `${point.x} ${point.y}`);
    svg.append(make("path", { d: `M${points.join(" L")}`, "marker-end": "url(#arrow)" }));
  }
  for (const step of steps) svg.append(drawNode(step, graph.node(step.id)));
  return svg;
}
