// ComfyUI's API format as a workflow: its usual chains (words to picture, picture to picture, saving, scaling) become steps. What
// has no counterpart is named in a note, never dropped silently.
import { words } from "./words.js";

const say = words({
  en: { about: "Read from a ComfyUI workflow.", left: "Left out: {what}.", negative: "The negative prompt “{what}” was not taken over: not every model takes one.", model: "The checkpoint {what} was not taken over; routing chooses a model.", none: "No picture is made in this ComfyUI workflow that could be read.", file: "{what} has to be given as a file." },
  zh: { about: "读取自 ComfyUI 工作流。", left: "未导入：{what}。", negative: "未采用反向提示词“{what}”：并非每个模型都支持。", model: "未采用检查点 {what}；由路由选择模型。", none: "此 ComfyUI 工作流中没有可读取的图片生成。", file: "{what} 需要作为文件给出。" },
});

const SAVES = new Set(["SaveImage", "PreviewImage", "SaveImageWebsocket"]);
const KNOWN = new Set([...SAVES, "KSampler", "KSamplerAdvanced", "VAEDecode", "VAEEncode", "CLIPTextEncode", "EmptyLatentImage", "LoadImage", "ImageScale", "ImageScaleBy", "CheckpointLoaderSimple"]);

export const isComfy = (given) => Object.keys(given).length > 0 && Object.values(given).every((node) => typeof node?.class_type === "string");

/** `{flow, notes}`. Raises an error when nothing in it makes a picture. */
export function fromComfy(graph, name) {
  const steps = [], show = [], inputs = {}, done = new Map(), notes = new Set(), walking = new Set();
  const node = (link) => (Array.isArray(link) ? graph[link[0]] : undefined);
  const number = (value, least, most) => (Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : undefined);
  const clean = (params) => Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined));

  function step(tool, bound, params = {}) {
    const id = `s${steps.length + 1}`;
    steps.push({ id, tool, inputs: bound, params: clean(params) });
    return id;
  }

  function input(base, modality, about, fallback) {
    let id = base, more = 2;
    while (id in inputs) id = `${base}_${more++}`;
    inputs[id] = { modality, about, required: fallback === undefined, ...(fallback === undefined ? {} : { default: fallback }) };
    return { input: id };
  }

  /** The words behind a conditioning; conditioning that words pass through is followed. */
  function wordsOf(link, depth = 0) {
    const at = node(link);
    if (!at || depth > 20) return "";
    if (typeof at.inputs?.text === "string") return at.inputs.text;
    return wordsOf(Object.values(at.inputs ?? {}).find((value) => Array.isArray(value) && node(value)?.class_type !== "CheckpointLoaderSimple"), depth + 1);
  }

  /** What a picture comes from, as a binding. */
  function picture(link) {
    const key = String(link?.[0]), at = node(link);
    if (!at || walking.has(key)) return null;
    if (done.has(key)) return done.get(key);
    walking.add(key);
    const found = make(at);
    walking.delete(key);
    if (found) done.set(key, found);
    return found;
  }

  function make(at) {
    const given = at.inputs ?? {};
    if (at.class_type === "LoadImage") {
      notes.add(say("file", { what: String(given.image ?? "image") }));
      return input("picture", "image", String(given.image ?? ""));
    }
    if (at.class_type === "ImageScale" || at.class_type === "ImageScaleBy") {
      const from = picture(given.image);
      return from && { from: `${step("resize", { image: from }, { width: number(given.width, 1, 8192), height: number(given.height, 1, 8192), scale: number(given.scale_by, 0.01, 16) })}.image` };
    }
    if (at.class_type === "VAEDecode") return picture(given.samples);
    if (at.class_type.startsWith("KSampler")) return sampled(given);
    const through = Object.values(given).find((value) => Array.isArray(value) && ["VAEDecode", "LoadImage", "ImageScale", "ImageScaleBy"].includes(node(value)?.class_type));
    return through ? picture(through) : null;
  }

  function sampled(given) {
    const text = wordsOf(given.positive), bad = wordsOf(given.negative), latent = node(given.latent_image);
    if (bad.trim()) notes.add(say("negative", { what: bad.slice(0, 60) }));
    const params = { steps: number(given.steps, 1, 150), guidance: number(given.cfg, 1, 20), seed: number(given.seed ?? given.noise_seed, 0, Number.MAX_SAFE_INTEGER) };
    const prompt = input("prompt", "text", "", text || undefined);
    if (latent?.class_type === "VAEEncode") {
      const from = picture(latent.inputs?.pixels);
      if (from) return { from: `${step("edit_image", { image: from, prompt }, { ...params, strength: number(given.denoise, 0.01, 1) })}.image` };
    }
    const side = (value) => (Number.isFinite(value) ? Math.min(2048, Math.max(16, Math.round(value / 8) * 8)) : undefined);
    return { from: `${step("text_to_image", { prompt }, { ...params, width: side(latent?.inputs?.width), height: side(latent?.inputs?.height) })}.image` };
  }

  for (const at of Object.values(graph)) {
    if (at.class_type === "CheckpointLoaderSimple") notes.add(say("model", { what: String(at.inputs?.ckpt_name ?? "") }));
    if (!KNOWN.has(at.class_type)) notes.add(say("left", { what: at.class_type }));
    if (!SAVES.has(at.class_type)) continue;
    const made = picture(at.inputs?.images);
    if (made?.from && !show.includes(made.from)) show.push(made.from);
  }
  if (!show.length) throw new Error(say("none"));
  return { flow: { name: name || "ComfyUI", about: say("about"), inputs, plan: { steps, reply: { text: "", show } } }, notes: [...notes] };
}
