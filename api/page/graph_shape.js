// What of a plan is drawn: its boxes, its links, and where the boxes stand.
import { WIDTH, heightOf, say } from "./graph_node.js";
import * as edits from "./plan_edits.js";
import * as dagre from "./vendor/dagre.js";
import { plain } from "./words.js";

const layoutOf = dagre.layout ?? dagre.default.layout;
const Graph = dagre.graphlib?.Graph ?? dagre.Graph ?? dagre.default.graphlib.Graph;

/** Where the boxes stand, left to right. */
export function layOut(nodes, edges) {
  const graph = new Graph().setGraph({ rankdir: "LR", nodesep: 22, ranksep: 64, marginx: 12, marginy: 12 }).setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, { width: node.width, height: node.height });
  for (const edge of edges) if (graph.hasNode(edge.source) && graph.hasNode(edge.target)) graph.setEdge(edge.source, edge.target);
  layoutOf(graph);
  return new Map(
    nodes.map((node) => {
      const at = graph.node(node.id);
      return [node.id, { x: at.x - node.width / 2, y: at.y - node.height / 2 }];
    }),
  );
}

/** The boxes of the graph, not yet placed. */
export function boxesOf({ plan, tools, inputs, states, faults, editable, links }) {
  const boxes = plan.steps.map((step) => {
    const tool = tools.get(step.tool),
      state = states?.[step.id],
      ports = !edits.WHOLE_JOB.has(step.tool);
    const own = faults.filter((fault) => fault.at?.step === step.id);
    const data = { step, tool, state, faults: own, editable, ports };
    return {
      id: step.id,
      type: "step",
      data,
      width: ports ? WIDTH : 132,
      height: ports ? heightOf(data) : 52,
      deletable: editable,
      ariaLabel: say("stepNode", {
        id: step.id,
        tool: plain(step.tool),
        state: state?.status ? say(state.status) : own.map((fault) => fault.reason).join(" "),
      }),
    };
  });
  for (const [name, input] of Object.entries(inputs ?? {}))
    boxes.push({
      id: `input:${name}`,
      type: "input",
      data: { name, input, editable },
      width: 140,
      height: 52,
      deletable: false,
      ariaLabel: `${say("input")}: ${name}`,
    });
  const reply = {
    id: "reply",
    type: "reply",
    data: { editable, faults: faults.filter((fault) => fault.at?.step === "reply") },
    width: 130,
    height: 52,
    deletable: false,
    ariaLabel: say("answer"),
  };
  return links ? boxes : [...boxes, reply];
}

/** Its links, in the colours of what they carry. */
export function edgesOf({ plan, tools, inputs, states, editable, links }) {
  const edges = edits
    .linksOf(plan)
    .filter((link) => !(links && link.target === "reply"))
    .map((link) => {
      const kind = link.source.startsWith("input:")
        ? inputs?.[link.source.slice(6)]?.modality
        : edits.kindOf(tools.get(edits.stepOf(plan, link.source)?.tool)?.outputs[link.sourcePort]);
      return {
        id: `${link.source}.${link.sourcePort}-${link.target}.${link.targetPort}.${link.place}`,
        source: link.source,
        target: link.target,
        data: link,
        sourceHandle: link.sourcePort ?? "done",
        targetHandle: link.targetPort ?? "after",
        className: `edge ${kind ?? "data"}`,
        animated: states?.[link.target]?.status === "running",
        deletable: editable,
        reconnectable: editable && link.target !== "reply",
        focusable: editable,
        ariaLabel: say("edgeFrom", {
          from: `${link.source} ${plain(link.sourcePort ?? "")}`,
          to: `${link.target} ${plain(link.targetPort ?? "")}`,
        }),
      };
    });
  const bare = (links ?? []).map(([source, target]) => ({
    id: `${source}~${target}`,
    source,
    target,
    sourceHandle: edits.WHOLE_JOB.has(source) ? null : "done",
    targetHandle: edits.WHOLE_JOB.has(target) ? null : "after",
    className: "edge bare",
    deletable: false,
    focusable: false,
    selectable: false,
  }));
  return [...edges, ...bare];
}
