// A workflow in small: boxes and lines, to recognise it by.
import * as dagre from "./vendor/dagre.js";

const SVG = "http://www.w3.org/2000/svg";
const layoutOf = dagre.layout ?? dagre.default.layout, Graph = dagre.graphlib?.Graph ?? dagre.Graph ?? dagre.default.graphlib.Graph;
const listed = (bound) => (Array.isArray(bound) ? bound : [bound]);

function make(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A decorative SVG of a document's graph. */
export function miniature(flow, tools) {
  const graph = new Graph().setGraph({ rankdir: "LR", nodesep: 8, ranksep: 20, marginx: 4, marginy: 4 }).setDefaultEdgeLabel(() => ({}));
  const kinds = new Map();
  for (const [name, input] of Object.entries(flow.inputs)) { kinds.set(`input:${name}`, input.modality.split("|")[0]); graph.setNode(`input:${name}`, { width: 12, height: 12 }); }
  for (const step of flow.plan.steps) { kinds.set(step.id, Object.values(tools.get(step.tool)?.outputs ?? {})[0]?.modalities[0] ?? "data"); graph.setNode(step.id, { width: 38, height: 18 }); }
  for (const step of flow.plan.steps) {
    for (const one of Object.values(step.inputs ?? {}).flatMap(listed)) {
      const from = one?.from?.split(".")[0] ?? (one?.input !== undefined ? `input:${one.input}` : null);
      if (from && kinds.has(from)) graph.setEdge(from, step.id);
    }
  }
  layoutOf(graph);
  const { width = 1, height = 1 } = graph.graph();
  const lines = graph.edges().map((edge) => make("path", { d: `M${graph.edge(edge).points.map((point) => `${point.x} ${point.y}`).join(" L")}`, class: "line" }));
  const boxes = graph.nodes().map((id) => { const at = graph.node(id); return make("rect", { x: at.x - at.width / 2, y: at.y - at.height / 2, width: at.width, height: at.height, rx: id.startsWith("input:") ? 6 : 5, class: `box ${kinds.get(id)}` }); });
  return make("svg", { viewBox: `0 0 ${Number.isFinite(width) ? width : 1} ${Number.isFinite(height) ? height : 1}`, "aria-hidden": "true" }, ...lines, ...boxes);
}
