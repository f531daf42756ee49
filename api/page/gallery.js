// The gallery: all assets by age, or those nearest to words, a picture, a sound, or a mix of them. What is shown stands in the address.
import { get, upload } from "./client.js";
import { button, element, icon, later } from "./dom.js";
import { startMix } from "./mix.js";
import { EMBEDDABLE, seek } from "./seek.js";
import { announce, key, styles, toast } from "./shell.js";
import { called, hush, tileOf, walk } from "./tiles.js";
import { words } from "./words.js";

const say = words({
  en: {
    find: "Find by words, or drop a picture or a sound", search: "Search", pick: "Search by a file", mixing: "Mix", every: "Everything", images: "Pictures", audios: "Sounds", videos: "Videos", others: "Other",
    kinds: "Kinds", origin: "Origin", anyOrigin: "Made and uploaded", step: "Made here", uploaded: "Uploaded", all: "Back to all", near: "Nearest to", nearWords: "Nearest to “{words}”", nearMix: "Nearest to the mix",
    none: "Nothing here yet. What you make and what you upload is collected here.", nothingNear: "Nothing was found. Other kinds, or other words?", drop: "Drop to find what is like it", found: "{count} found", finding: "Looking …", upload: "Upload",
    arrived: "Uploaded", more: "More",
  },
  zh: {
    find: "用文字查找，或拖入图片、声音", search: "查找", pick: "用文件查找", mixing: "混合", every: "全部", images: "图片", audios: "声音", videos: "视频", others: "其他",
    kinds: "类型", origin: "来源", anyOrigin: "生成的和上传的", step: "在此生成", uploaded: "上传", all: "返回全部", near: "最接近", nearWords: "最接近“{words}”", nearMix: "最接近此混合",
    none: "这里还没有内容。您生成和上传的都会收集在这里。", nothingNear: "没有找到。换个类型或词语试试？", drop: "松开以查找类似的", found: "找到 {count} 个", finding: "正在查找…", upload: "上传",
    arrived: "已上传", more: "更多",
  },
});

const KINDS = { every: [], images: ["image"], audios: ["audio"], videos: ["video"], others: ["text", "depth", "thermal", "imu", "mesh", "embedding"] };
const SHOWN = ["image", "audio", "video", "depth", "thermal", "mesh", "imu"];  // vectors are shown when they are asked for
const PAGE = 48;

/** `words` and `[asset, weight]` pairs of an address as a mix, and back. */
const mixOf = (query) => query.getAll("mix").map((item) => {
  const [, weight, what] = item.match(/^(-?[\d.]+):(.*)$/s) ?? [];
  return what === undefined || !Number.isFinite(Number(weight)) ? null : { weight: Math.min(2, Math.max(-2, Number(weight))), ...(what.startsWith("asset_") ? { asset: what } : { text: what }) };
}).filter(Boolean).slice(0, 16);

export async function show(place, { query }) {
  await styles("rooms.css");
  const state = {
    kind: KINDS[query.get("kind")] ? query.get("kind") : "every", origin: ["step", "upload"].includes(query.get("origin")) ? query.get("origin") : "",
    words: query.get("words") ?? "", like: query.get("like")?.match(/^asset_\w+$/)?.[0] ?? null, mix: mixOf(query), mixing: query.has("mix") || query.get("mixing") === "1",
  };
  let turn = 0, last = null, more = false, loading = false, gone = false;

  const field = element("input", { type: "search", id: "seek", placeholder: say("find"), "aria-label": say("find"), value: state.words, maxlength: 2000, enterkeyhint: "search" });
  const file = element("input", { type: "file", id: "seek-file", accept: "image/*,audio/*,video/*", onchange: (event) => byFile(event.target.files[0]) });
  const sent = element("input", { type: "file", id: "gallery-upload", multiple: true, accept: "image/*,audio/*,video/*", onchange: (event) => take([...event.target.files]) });
  const kinds = element("div", { class: "segments", role: "group", "aria-label": say("kinds") });
  const origin = element("select", { "aria-label": say("origin"), onchange: (event) => { state.origin = event.target.value; restart(); } },
    ...[["", "anyOrigin"], ["step", "step"], ["upload", "uploaded"]].map(([value, name]) => element("option", { value, selected: state.origin === value }, say(name))));
  const knob = button(say("mixing"), { drawing: "options", id: "mixing", "aria-expanded": String(state.mixing), "aria-controls": "mix", onclick: () => openMix(!state.mixing) });
  const title = element("div", { class: "row result-title", "aria-live": "polite" });
  const grid = element("ul", { class: "tiles", id: "tiles" });
  const end = element("div", { class: "tiles-end", "aria-hidden": "true" }), trouble = element("div", {});
  const mixPlace = element("section", { id: "mix", class: "card", hidden: !state.mixing, "aria-label": say("mixing") });
  const mix = startMix(mixPlace, state.mix, later((items) => { state.mix = items; state.like = null; state.words = field.value = ""; restart(); }, 250));
  const veil = element("div", { class: "drop-veil", hidden: true }, icon("search"), element("p", {}, say("drop")));

  place.append(element("div", { class: "wide gallery" },
    element("h1", { class: "unseen" }, say("gallery")),
    element("form", { class: "seek", role: "search", onsubmit: (event) => { event.preventDefault(); byWords(); } },
      element("div", { class: "seek-field" }, icon("search"), field,
        element("label", { class: "button quiet bare", title: say("pick"), for: "seek-file" }, icon("clip"), element("span", { class: "unseen" }, say("pick")), file)),
      element("button", { type: "submit" }, say("search")), knob),
    mixPlace,
    element("div", { class: "row filters" }, kinds, origin, element("span", { class: "space" }), element("label", { class: "button quiet", for: "gallery-upload" }, icon("upload"), say("upload"), sent)),
    title, trouble, grid, end, veil));

  function remember(push) {
    const found = new URLSearchParams();
    if (state.kind !== "every") found.set("kind", state.kind);
    if (state.origin) found.set("origin", state.origin);
    if (state.words) found.set("words", state.words);
    if (state.like) found.set("like", state.like);
    for (const item of state.mix) found.append("mix", `${item.weight}:${item.asset ?? item.text}`);
    if (state.mixing && !state.mix.length) found.set("mixing", "1");
    const address = `#/gallery${found.size ? `?${found}` : ""}`;
    if (location.hash !== address) history[push ? "pushState" : "replaceState"](null, "", address);
  }

  function showKinds() {
    kinds.replaceChildren(...Object.keys(KINDS).map((name) => button(say(name), { "aria-pressed": String(state.kind === name), onclick: () => { state.kind = name; restart(); kinds.querySelector("[aria-pressed=true]").focus(); } })));
  }

  const tile = (asset, score, span) => tileOf(asset, { score, span, onLike: (item) => { state.like = item.id; state.words = field.value = ""; state.mix = []; restart(true); scrollTo({ top: 0 }); }, onMix: (item) => { openMix(true); mix.add({ asset: item.id, weight: 1 }); } });

  /** What is looked for: a list for `seek`; empty: all by age. */
  function wanted() {
    if (state.mix.length) return state.mix.some((item) => item.weight) ? state.mix.filter((item) => item.weight) : [];
    if (state.like) return [{ asset: state.like, weight: 1 }];
    return state.words ? [{ text: state.words, weight: 1 }] : [];
  }

  async function restart(push = false) {
    const mine = ++turn;
    remember(push);
    showKinds();
    trouble.replaceChildren();
    last = null;
    more = false;
    loading = false;
    hush();
    const look = wanted();
    if (!look.length) {
      title.replaceChildren();
      grid.replaceChildren();
      more = true;
      return load();
    }
    grid.setAttribute("aria-busy", "true");
    await showTitle(say("finding"), mine);
    try {
      const modalities = KINDS[state.kind].filter((name) => EMBEDDABLE.has(name));
      const hits = await seek(look, { modalities, origin: state.origin || undefined, limit: 40 });
      if (mine !== turn || gone) return;
      const shown = hits.filter((hit) => hit.asset.id !== state.like);
      grid.replaceChildren(...shown.map((hit) => tile(hit.asset, hit.score, hit.span)));
      await showTitle(say("found", { count: shown.length }), mine);
      if (!shown.length) grid.append(element("li", { class: "empty" }, say("nothingNear")));
      announce(say("found", { count: shown.length }));
    } catch (error) {
      if (mine === turn && !gone) complain(error);
    } finally {
      if (mine === turn) grid.removeAttribute("aria-busy");
    }
  }

  async function showTitle(note, mine) {
    const back = button(say("all"), { drawing: "close", kind: "quiet small", onclick: () => { state.words = field.value = ""; state.like = null; state.mix = []; mix.clear(); restart(true); } });
    let about = element("strong", {}, state.mix.length ? say("nearMix") : say("nearWords", { words: state.words }));
    if (state.like) {
      const asset = await get(`/v1/assets/${state.like}`).catch(() => null);
      if (mine !== turn) return;
      about = element("strong", { class: "row" }, say("near"), element("a", { href: `#/assets/${state.like}`, class: "like" },
        element("img", { src: `/v1/assets/${state.like}/thumbnail?w=96`, alt: "", width: 36, height: 36 }), asset ? called(asset) : state.like));
    }
    title.replaceChildren(about, element("span", { class: "soft" }, note), element("span", { class: "space" }), back);
  }

  async function load() {
    if (loading || !more || gone) return;
    loading = true;
    const mine = turn, asked = new URLSearchParams({ limit: PAGE });
    for (const name of KINDS[state.kind].length ? KINDS[state.kind] : SHOWN) asked.append("modality", name);
    if (state.origin) asked.set("origin", state.origin);
    if (last) asked.set("after", last);
    try {
      const page = await get(`/v1/assets?${asked}`);
      if (mine !== turn || gone) return;
      last = page.last_id;
      more = page.has_more;
      grid.append(...page.data.map((asset) => tile(asset)));
      if (!grid.children.length) grid.append(element("li", { class: "empty" }, icon("gallery"), say("none")));
    } catch (error) {
      if (mine === turn && !gone) { more = false; complain(error); }
    } finally {
      if (mine === turn) loading = false;
    }
    if (more && mine === turn && end.getBoundingClientRect().top < innerHeight + 600) load();
  }

  function complain(error) {
    trouble.replaceChildren(element("div", { class: "trouble row", role: "alert" }, element("span", {}, error.message), element("span", { class: "space" }), button(say("retry"), { onclick: () => restart() })));
  }

  function byWords() {
    state.words = field.value.trim();
    state.like = null;
    state.mix = [];
    mix.clear();
    restart(true);
  }

  async function byFile(chosen) {
    if (!chosen) return;
    try {
      const asset = await upload(chosen);
      if (gone) return;
      if (state.mixing) return mix.add({ asset: asset.id, weight: 1 });
      Object.assign(state, { like: asset.id, words: "", mix: [] });
      field.value = "";
      restart(true);
    } catch (error) {
      complain(error);
    } finally {
      file.value = "";
    }
  }

  async function take(files) {
    const done = await Promise.allSettled(files.map((item) => upload(item)));
    sent.value = "";
    const refused = done.find((item) => item.status === "rejected");
    if (done.some((item) => item.status === "fulfilled")) { toast(say("arrived")); await restart(); }
    if (refused) complain(refused.reason);
  }

  function openMix(open) {
    state.mixing = open;
    mixPlace.hidden = !open;
    knob.setAttribute("aria-expanded", String(open));
    if (!open && state.mix.length) { mix.clear(); state.mix = []; restart(true); } else remember(false);
    if (open) mix.focus();
  }

  let over = 0;
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  const dragging = {
    dragenter: (event) => { if (carries(event)) { over += 1; veil.hidden = false; } },
    dragleave: (event) => { if (carries(event) && --over <= 0) { over = 0; veil.hidden = true; } },
    dragover: (event) => { if (carries(event)) event.preventDefault(); },
    drop: (event) => { if (carries(event)) { event.preventDefault(); over = 0; veil.hidden = true; byFile(event.dataTransfer.files[0]); } },
    paste: (event) => { if (event.clipboardData?.files.length) { event.preventDefault(); byFile(event.clipboardData.files[0]); } },
  };
  for (const [name, work] of Object.entries(dragging)) window.addEventListener(name, work);
  const unkey = key("/", () => field.focus());
  const watcher = new IntersectionObserver((seen) => { if (seen.some((item) => item.isIntersecting)) load(); }, { rootMargin: "600px" });
  watcher.observe(end);
  walk(grid);
  restart();
  return () => {
    gone = true;
    hush();
    unkey();
    watcher.disconnect();
    for (const [name, work] of Object.entries(dragging)) window.removeEventListener(name, work);
  };
}
