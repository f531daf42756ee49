// A plan as a graph that can be looked at, followed and edited: React Flow draws and drags, dagre places, plan_edits.js changes.
//
//   const graph = showGraph(place, plan, { editable, tools, inputs, onchange, onselect, faults, states, links });
//   graph.update({ plan, states, faults }); graph.plan(); graph.select("s2"); graph.undo(); graph.tidy(); graph.leave();
//
// plan      {steps, reply} as the API has it; while it is editable each change calls onchange(plan)
// tools     Map of GET /v1/tools by name; gives ports and their colours
// inputs    {name: {modality, …}} of a workflow: boxes at the left
// states    {step: {status, progress: {done, total}, preview, outputs, attempt}} while a job runs
// faults    [{pointer, reason, suggestion}] of the gate: shown at the step they name
// links     [[from, to]] drawn without ports, for the plan and the answer around the work
// onselect  gets the id of the chosen step, or null
// keys      the element in which Ctrl+Z and Ctrl+Y are heard; the graph itself by default
import { styles } from "./shell.js";
import { NODES, WIDTH, heightOf, say } from "./graph_node.js";
import * as edits from "./plan_edits.js";
import * as dagre from "./vendor/dagre.js";
import {
  Background,
  Controls,
  ReactFlow,
  ReactFlowProvider,
  applyNodeChanges,
  createElement as h,
  createRoot,
  flushSync,
  useEffect,
  useReactFlow,
} from "./vendor/xyflow.js";
import { plain } from "./words.js";

const layoutOf = dagre.layout ?? dagre.default.layout;
const Graph = dagre.graphlib?.Graph ?? dagre.Graph ?? dagre.default.graphlib.Graph;
const WHOLE_JOB = new Set(["plan", "answer"]);
/** All of it, unless that would be too small to read: then its beginning, and the rest by dragging. */
const fitFor = (box) => ({
  padding: { top: "16px", left: "16px", right: "16px", bottom: "50px" },
  maxZoom: 1,
  minZoom: box.clientWidth < 600 ? 0.5 : 0.35,
});

/** Where the boxes stand, left to right. */
function layOut(nodes, edges) {
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

function boxesOf({ plan, tools, inputs, states, faults, editable, links }) {
  const boxes = plan.steps.map((step) => {
    const tool = tools.get(step.tool),
      state = states?.[step.id],
      ports = !WHOLE_JOB.has(step.tool);
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

function edgesOf({ plan, tools, inputs, states, editable, links }) {
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
    sourceHandle: WHOLE_JOB.has(source) ? null : "done",
    targetHandle: WHOLE_JOB.has(target) ? null : "after",
    className: "edge bare",
    deletable: false,
    focusable: false,
    selectable: false,
  }));
  return [...edges, ...bare];
}

function Canvas({ view }) {
  const flow = useReactFlow();
  useEffect(() => {
    view.flow = flow;
  }, [flow]);
  const { options, nodes, edges, box } = view,
    fit = fitFor(box);
  const link = ({ source, sourceHandle, target, targetHandle }) => ({ source, sourcePort: sourceHandle, target, targetPort: targetHandle });
  return h(
    ReactFlow,
    {
      nodes,
      edges,
      nodeTypes: NODES,
      fitView: true,
      fitViewOptions: fit,
      minZoom: 0.25,
      maxZoom: 1.6,
      proOptions: { hideAttribution: true },
      colorMode: "system",
      nodesConnectable: options.editable,
      nodesDraggable: options.editable,
      elementsSelectable: true,
      edgesFocusable: options.editable,
      nodesFocusable: true,
      deleteKeyCode: options.editable ? ["Delete", "Backspace"] : null,
      zoomOnScroll: false,
      preventScrolling: false,
      panOnScroll: false,
      selectionKeyCode: null,
      multiSelectionKeyCode: null,
      onNodesChange: (changes) => view.move(changes),
      onNodesDelete: (gone) =>
        view.edit((plan) => gone.reduce((next, node) => (node.type === "step" ? edits.removeStep(next, node.id) : next), plan), {
          select: null,
        }),
      onEdgesDelete: (gone) =>
        view.edit((plan) =>
          gone.reduce(
            (next, edge) =>
              next.steps.some((step) => step.id === edge.target) || edge.target === "reply" ? edits.disconnect(next, edge.data) : next,
            plan,
          ),
        ),
      isValidConnection: (wanted) => edits.fits(view.plan, link(wanted), options.tools, options.inputs),
      onConnect: (wanted) => view.edit((plan) => edits.connect(plan, link(wanted), options.tools, options.inputs)),
      onReconnect: (edge, wanted) =>
        view.edit((plan) => edits.connect(edits.disconnect(plan, edge.data), link(wanted), options.tools, options.inputs)),
      onNodeClick: (_, node) => view.choose(node.id),
      onPaneClick: () => view.choose(null),
      onDragOver: (event) => {
        if (options.editable && event.dataTransfer.types.includes("application/x-medley-tool")) event.preventDefault();
      },
      onDrop: (event) => {
        const tool = options.tools.get(event.dataTransfer.getData("application/x-medley-tool"));
        if (tool) {
          event.preventDefault();
          view.add(tool, flow.screenToFlowPosition({ x: event.clientX, y: event.clientY }));
        }
      },
    },
    h(Background, { gap: 22, size: 1.2 }),
    h(Controls, { showInteractive: false, orientation: "horizontal", position: "bottom-right", fitViewOptions: fit }),
  );
}

class View {
  constructor(place, plan, options) {
    this.options = {
      editable: false,
      tools: new Map(),
      inputs: null,
      faults: [],
      states: null,
      links: null,
      onchange() {},
      onselect() {},
      ...options,
    };
    this.plan = edits.copyOf(plan);
    this.places = new Map();
    this.chosen = null;
    this.past = [];
    this.future = [];
    this.box = document.createElement("div");
    this.box.className = "graph";
    this.box.setAttribute("role", "group");
    this.box.setAttribute("aria-label", say("graph"));
    place.append(this.box);
    this.root = createRoot(this.box);
    this.keys = (event) => this.hearKeys(event);
    this.heard = this.options.keys ?? this.box;
    this.heard.addEventListener("keydown", this.keys);
    this.sized = new ResizeObserver(() => this.fitSoon());
    this.sized.observe(this.box);
    this.build();
    this.draw();
  }

  /** Boxes and links out of the plan; boxes that have a place keep it. */
  build() {
    const options = {
      ...this.options,
      plan: this.plan,
      faults: (this.options.faults ?? []).map((fault) => ({ ...fault, at: edits.placeOf(fault.pointer, this.plan) })),
    };
    const boxes = boxesOf(options);
    this.edges = edgesOf(options);
    const shape = JSON.stringify([boxes.map((box) => [box.id, this.options.editable ? 0 : box.height]), this.edges.map((edge) => edge.id)]);
    if (boxes.some((box) => !this.places.has(box.id)) || (!this.options.editable && shape !== this.shape)) {
      const places = layOut(boxes, this.edges);
      for (const box of boxes) if (!this.options.editable || !this.places.has(box.id)) this.places.set(box.id, places.get(box.id));
      this.tall(boxes);
      this.fitSoon();
    }
    this.shape = shape;
    const before = new Map((this.nodes ?? []).map((node) => [node.id, node]));
    this.nodes = boxes.map(({ height, ...box }) => ({
      ...box,
      initialHeight: height,
      measured: before.get(box.id)?.measured,
      position: this.places.get(box.id),
      selected: box.id === this.chosen,
    }));
  }

  /** As high as the boxes are where they all fit the width, within what the stylesheet allows. */
  tall(boxes) {
    const at = boxes.map((box) => ({ ...this.places.get(box.id), ...box })),
      most = (edge) => Math.max(...at.map(edge)),
      least = (edge) => Math.min(...at.map(edge));
    const wide = most((box) => box.x + box.width) - least((box) => box.x),
      high = most((box) => box.y + box.height) - least((box) => box.y);
    const scale = Math.min(1, (this.box.clientWidth || 900) / (wide + 60));
    this.box.style.setProperty("--tall", `${Math.round(high * scale + 82)}px`);
  }

  draw() {
    this.root.render(h(ReactFlowProvider, {}, h(Canvas, { view: this })));
  }

  show() {
    this.build();
    this.draw();
  }

  fitSoon() {
    cancelAnimationFrame(this.fitting);
    this.fitting = requestAnimationFrame(() => requestAnimationFrame(() => this.flow?.fitView(fitFor(this.box))));
  }

  move(changes) {
    this.nodes = applyNodeChanges(
      changes.filter((change) => change.type !== "remove"),
      this.nodes,
    );
    for (const change of changes) {
      if (change.type === "position" && change.position) this.places.set(change.id, change.position);
      if (change.type === "select" && change.selected && this.chosen !== change.id) {
        this.chosen = change.id;
        this.options.onselect(this.plan.steps.some((step) => step.id === change.id) ? change.id : null);
      }
    }
    this.draw();
  }

  choose(id) {
    this.chosen = id;
    this.nodes = this.nodes.map((node) => ({ ...node, selected: node.id === id }));
    this.draw();
    this.options.onselect(id && this.plan.steps.some((step) => step.id === id) ? id : null);
  }

  /** Takes `change(plan)` as the new plan, remembers the old one for undo, and tells. */
  edit(change, { select } = {}) {
    const next = change(this.plan);
    if (JSON.stringify(next) === JSON.stringify(this.plan)) return;
    this.past.push(this.plan);
    this.future = [];
    this.take(next, select);
  }

  take(plan, select) {
    this.plan = plan;
    if (select !== undefined) this.chosen = select;
    if (this.chosen && !plan.steps.some((step) => step.id === this.chosen)) this.chosen = null;
    this.show();
    this.options.onselect(this.chosen);
    this.options.onchange(plan);
  }

  add(tool, at) {
    const { plan, id } = edits.addStep(this.plan, tool, true);
    if (at) this.places.set(id, at);
    this.edit(() => plan, { select: id });
    return id;
  }

  back(from, to) {
    if (!this[from].length) return;
    this[to].push(this.plan);
    this.take(this[from].pop());
  }

  hearKeys(event) {
    if (
      !this.options.editable ||
      event.target.closest("input:not([type=checkbox]):not([type=range]), textarea") ||
      !(event.ctrlKey || event.metaKey)
    )
      return;
    const letter = event.key.toLowerCase();
    if (letter === "z" && !event.shiftKey) this.back("past", "future");
    else if (letter === "y" || letter === "z") this.back("future", "past");
    else return;
    event.preventDefault();
  }
}

/** Draws `plan` into `place`. See the head of this file. */
export function showGraph(place, plan, options = {}) {
  styles("graph.css");
  const view = new View(place, plan, options);
  return {
    node: view.box,
    plan: () => structuredClone(view.plan),
    /** Shows other states, faults, options or another plan (which is then not called back). */
    update({ plan: other, ...changes }) {
      Object.assign(view.options, changes);
      if (other) view.plan = edits.copyOf(other);
      view.show();
    },
    edit: (change, how) => view.edit(change, how),
    add: (tool) => view.add(tool),
    select: (id) => view.choose(id),
    chosen: () => view.chosen,
    undo: () => view.back("past", "future"),
    redo: () => view.back("future", "past"),
    canUndo: () => view.past.length > 0,
    canRedo: () => view.future.length > 0,
    /** Places all boxes anew. */
    tidy() {
      view.places.clear();
      view.show();
    },
    leave() {
      view.sized.disconnect();
      view.heard.removeEventListener("keydown", view.keys);
      cancelAnimationFrame(view.fitting);
      flushSync(() => view.root.unmount());
      view.box.remove();
    },
  };
}
