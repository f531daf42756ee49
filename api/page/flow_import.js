// Reading a workflow from JSON that somebody kept: Medley's own documents, plans and jobs, and ComfyUI's API format.
import { fromComfy, isComfy } from "./flow_comfy.js";
import { words } from "./words.js";

const say = words({
  en: { notJson: "This is not JSON: {why}", comfyPage: "This is ComfyUI's page format. In ComfyUI, export it with “Save (API format)”.", unknown: "This is no workflow: there is no plan with steps in it.", imported: "Imported workflow", large: "A workflow has at most 256 steps." },
  zh: { notJson: "这不是 JSON：{why}", comfyPage: "这是 ComfyUI 的页面格式。请在 ComfyUI 中用“保存（API 格式）”导出。", unknown: "这不是工作流：其中没有带步骤的计划。", imported: "导入的工作流", large: "一个工作流最多 256 个步骤。" },
});

const STEP = ["id", "tool", "inputs", "params", "model", "map", "after"];
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const listed = (value) => (Array.isArray(value) ? value : []);
const only = (given, names) => Object.fromEntries(names.filter((name) => given[name] !== undefined && given[name] !== null).map((name) => [name, given[name]]));

const bound = (value) => (Array.isArray(value) ? value.map(bound) : typeof value === "string" ? { text: value } : value);
const mapped = (given, change) => Object.fromEntries(Object.entries(isObject(given) ? given : {}).map(([name, value]) => [name, change(value)]));
const declared = (input) => ({ modality: String(input?.modality ?? "text"), about: String(input?.about ?? ""), required: input?.required !== false, many: input?.many === true, ...only(input ?? {}, ["default"]) });

function stepOf(given) {
  const { after, ...step } = only(given, STEP);
  return { ...step, inputs: mapped(given.inputs, bound), params: isObject(given.params) ? given.params : {}, ...(after?.length ? { after } : {}) };
}

/** A document with just the members that a workflow has, in the form that the service gives them. */
export function document(given) {
  const plan = { steps: listed(given.plan?.steps).filter(isObject).map(stepOf), reply: { text: String(given.plan?.reply?.text ?? ""), show: listed(given.plan?.reply?.show).filter((name) => typeof name === "string") } };
  return { name: String(given.name || say("imported")).slice(0, 120), about: String(given.about ?? "").slice(0, 4000), inputs: mapped(given.inputs, declared), plan };
}

const sorted = (value) => (Array.isArray(value) ? value.map(sorted) : isObject(value) ? Object.fromEntries(Object.keys(value).sort().map((name) => [name, sorted(value[name])])) : value);

/** Whether two documents mean the same. */
export const same = (one, other) => JSON.stringify(sorted(document(one))) === JSON.stringify(sorted(document(other)));

/** `{flow, notes}` of JSON text; notes say what could not be taken over. Raises an error in words. */
export function read(text, name) {
  let given;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw new Error(say("notJson", { why: error.message }));
  }
  if (!isObject(given)) throw new Error(say("unknown"));
  if (isComfy(given)) return fromComfy(given, name);
  if (Array.isArray(given.nodes) && Array.isArray(given.links)) throw new Error(say("comfyPage"));
  const plan = Array.isArray(given.steps) ? given : isObject(given.plan) ? given.plan : null;
  if (!plan || !Array.isArray(plan.steps)) throw new Error(say("unknown"));
  if (plan.steps.length > 256) throw new Error(say("large"));
  const job = given.object === "job";
  const steps = job ? plan.steps.filter((step) => step.tool !== "plan" && step.tool !== "answer") : plan.steps;
  return { flow: document({ name: given.name ?? name, about: given.about, inputs: job ? {} : given.inputs, plan: { ...plan, steps } }), notes: [] };
}
