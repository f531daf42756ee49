// One asset: seen big, what was measured of it, how it was made, what it can be used for, what keeps it.
import { contentUrl, downloadUrl, get, remove, thumbnailUrl } from "./client.js";
import { button, element, icon } from "./dom.js";
import { madeTable } from "./made.js";
import { lightbox } from "./media.js";
import { ask, trouble } from "./rooms.js";
import { EMBEDDABLE, seek } from "./seek.js";
import { copy, go, key, styles, title, toast } from "./shell.js";
import { called, tileOf, walk } from "./tiles.js";
import { bytes, duration, plain, words } from "./words.js";

const say = words({
  en: {
    useIt: "Use as input", like: "More like this", mix: "Mix", link: "Copy the link", remove: "Delete", facts: "Facts", made: "Origin", lineage: "How it was made", uploaded: "Uploaded", uploadedAs: "Uploaded as {name}", byJob: "Made in", byStep: "Step", byTool: "Tool", byModel: "Model",
    said: "Words", kind: "Kind", size: "Size", pixels: "Pixels", seconds: "Length", rate: "Rate", channels: "Channels", fps: "Frames a second", frames: "Frames", when: "Since", hash: "SHA-256", other: "Other", 
    uses: "Used by", noUses: "Nothing names it.", job: "Job", conversation: "Conversation", workflow: "Workflow", sure: "Delete this for good?", sureBody: "Nothing uses it. Its bytes go, too.", inUse: "It cannot be deleted yet",
    inUseBody: "These would lose it. Delete them first:", gone: "Deleted", vector: "A vector in the shared space. It can be searched with, and drawn.", noView: "A browser cannot show this kind. Download it to look at it.", big: "Show it big", looking: "Looking …", of: "The meaning of",
    flow: "The whole plan as a workflow", has_audio: "Has sound", yes: "yes", no: "no",
  },
  zh: {
    useIt: "用作输入", like: "更多类似的", mix: "混合", link: "复制链接", remove: "删除", facts: "信息", made: "来源", lineage: "如何生成", uploaded: "上传的", uploadedAs: "上传时名为 {name}", byJob: "来自", byStep: "步骤", byTool: "工具", byModel: "模型",
    said: "文字", kind: "类型", size: "大小", pixels: "像素", seconds: "时长", rate: "采样率", channels: "声道", fps: "帧率", frames: "帧数", when: "时间", hash: "SHA-256", other: "其他", 
    uses: "被使用于", noUses: "没有被使用。", job: "任务", conversation: "对话", workflow: "工作流", sure: "永久删除？", sureBody: "没有被使用。其内容也会删除。", inUse: "还不能删除",
    inUseBody: "以下内容会失去它，请先删除它们：", gone: "已删除", vector: "共享空间中的一个向量。可以用它查找和作画。", noView: "浏览器无法显示此类型，请下载查看。", big: "放大查看", looking: "正在查找…", of: "其含义来自",
    flow: "将整个计划作为工作流", has_audio: "有声音", yes: "是", no: "否",
  },
});

export async function show(place, { id }) {
  await Promise.all([styles("rooms.css"), styles("work.css")]);
  const asset = await get(`/v1/assets/${id}`), name = called(asset);
  title(name);
  const similar = element("section", {}), uses = element("div", {}), made = element("div", {}), lineage = element("section", { class: "lineage-of" });
  const able = EMBEDDABLE.has(asset.modality);

  place.append(element("article", { class: "wide asset" },
    element("div", { class: "stage-of" }, view(asset, name)),
    element("div", { class: "about" },
      element("h1", {}, name),
      element("div", { class: "row" },
        element("a", { class: "button", href: `#/?asset=${id}` }, icon("fork"), say("useIt")),
        able && button(say("like"), { drawing: "like", onclick: near })),
      element("div", { class: "row" },
        able && element("a", { class: "button quiet bare", href: `#/gallery?mix=${encodeURIComponent(`1:${id}`)}`, "aria-label": say("mix"), title: say("mix") }, icon("options")),
        element("a", { class: "button quiet bare", href: downloadUrl(id), download: asset.name ?? "", "aria-label": say("download"), title: say("download") }, icon("download")),
        button(say("link"), { drawing: "link", bare: true, onclick: () => copy(location.href, say("copied")) }),
        button(say("remove"), { drawing: "trash", bare: true, kind: "quiet danger", onclick: erase })),
      element("section", {}, element("h2", {}, say("made")), made),
      element("section", {}, element("h2", {}, say("facts")), list(facts(asset))),
      element("section", {}, element("h2", {}, say("uses")), uses)),
    lineage, similar));

  showMade(made, asset).then((found) => {
    if (found) lineage.replaceChildren(element("h2", {}, say("lineage")), ...madeTable(found));
  });
  showUses();
  const unkey = key("l", () => able && near());

  async function showUses() {
    const found = await get(`/v1/assets/${id}/uses`).catch(() => null);
    if (found) uses.replaceChildren(found.data.length ? links(found.data) : element("p", { class: "soft" }, say("noUses")));
  }

  async function near() {
    similar.replaceChildren(element("h2", {}, say("like")), element("p", { class: "soft row", role: "status" }, element("i", { class: "spinner" }), say("looking")));
    similar.scrollIntoView({ block: "nearest", behavior: "smooth" });
    try {
      const hits = (await seek([{ asset: id, weight: 1 }], { limit: 13 })).filter((hit) => hit.asset.id !== id);
      const grid = element("ul", { class: "tiles" }, ...hits.map((hit) => tileOf(hit.asset, { score: hit.score, onLike: (other) => go(`/gallery?like=${other.id}`), onMix: (other) => go(`/gallery?${new URLSearchParams([["mix", `1:${id}`], ["mix", `1:${other.id}`]])}`) })));
      walk(grid);
      similar.replaceChildren(element("h2", {}, say("like")), hits.length ? grid : element("p", { class: "soft" }, say("nothingHere")));
      similar.scrollIntoView({ block: "nearest", behavior: "smooth" });
    } catch (error) {
      similar.replaceChildren(trouble(error, near));
    }
  }

  async function erase() {
    const found = await get(`/v1/assets/${id}/uses`);
    if (found.data.length) return ask(say("inUse"), [element("p", { class: "soft" }, say("inUseBody")), links(found.data)], "", { able: false });
    if (!await ask(say("sure"), element("p", { class: "soft" }, say("sureBody")), say("remove"), { danger: true })) return;
    try {
      await remove(`/v1/assets/${id}`);
      toast(say("gone"));
      go("/gallery", { replace: true });
    } catch (error) {
      toast(error.message, { bad: true });
      showUses();
    }
  }
  return unkey;
}

function view(asset, name) {
  const source = contentUrl(asset.id);
  if (asset.modality === "image") {
    const small = Math.max(asset.facts.width ?? 0, asset.facts.height ?? 0) <= 256;
    return element("button", { type: "button", class: "picture", "aria-label": say("big"), onclick: () => lightbox([{ asset: asset.id, type: "image", name }]) }, element("img", { src: source, alt: name, class: small ? "grown" : "" }));
  }
  if (asset.modality === "video") return element("video", { src: source, controls: true, poster: thumbnailUrl(asset.id, 1024), "aria-label": name });
  if (asset.modality === "audio") return element("div", { class: "sound" }, element("img", { src: thumbnailUrl(asset.id, 1024), alt: "" }), element("audio", { src: source, controls: true, "aria-label": name }));
  return element("div", { class: "empty" }, icon(asset.modality), element("p", {}, say(asset.modality === "embedding" ? "vector" : "noView")));
}

const list = (rows) => element("dl", { class: "facts" }, ...rows.filter(([, value]) => value !== undefined && value !== null && value !== "").flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));

function facts(asset) {
  const { width, height, seconds, rate, channels, fps, frames, ...rest } = asset.facts;
  const others = Object.entries(rest).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  return [
    [say("kind"), `${say(asset.modality)} · ${asset.media_type}`], [say("size"), bytes(asset.size)], [say("pixels"), width && `${width} × ${height}`],
    [say("seconds"), seconds && duration(seconds)], [say("fps"), fps && String(fps)], [say("frames"), frames && String(frames)], [say("rate"), rate && `${rate} Hz`], [say("channels"), channels && String(channels)],
    ...others.map(([name, value]) => [name === "has_audio" ? say(name) : plain(name), typeof value === "boolean" ? say(value ? "yes" : "no") : String(value)]),
    [say("when"), element("time", { datetime: asset.created_at }, new Date(asset.created_at).toLocaleString())],
    [say("hash"), element("code", { class: "hash", title: asset.sha256 }, `${asset.sha256.slice(0, 16)}…`)],
  ];
}

/** What names an asset, as links. */
const links = (found) => element("ul", { class: "uses" }, ...found.map((item) => element("li", {}, element("a", { href: `#/${item.object}s/${item.id}` }, `${say(item.object)} ${item.id.slice(-6)}`))));

async function showMade(place, asset) {
  const { origin } = asset;
  if (origin.kind !== "step") return place.replaceChildren(element("p", {}, asset.name ? say("uploadedAs", { name: asset.name }) : say("uploaded")));
  const rows = [
    [say("byTool"), origin.tool && plain(origin.tool)],
    [say("byModel"), origin.model && element("a", { href: `#/models?id=${encodeURIComponent(origin.model)}` }, origin.model)],
    [say("said"), origin.words], [say("of"), origin.embeds && element("a", { href: `#/assets/${origin.embeds}` }, origin.embeds.slice(0, 16))],
    [say("byJob"), element("a", { href: `#/jobs/${origin.job}` }, `${say("job")} ${origin.job.slice(-6)} · ${origin.step}.${origin.port ?? ""}`)],
  ];
  place.replaceChildren(list(rows));
  const [found, job] = await Promise.all([get(`/v1/assets/${asset.id}/provenance`), get(`/v1/jobs/${origin.job}`)].map((asked) => asked.catch(() => null)));
  if (job) place.append(element("p", { class: "tiny" }, element("a", { href: `#/workflows/new?job=${origin.job}` }, say("flow"))));
  return found;
}
