// Pictures, sounds and videos as a browser shows them, and the big view over them.
import { contentUrl, downloadUrl, get, thumbnailUrl } from "./client.js";
import { button, element, icon } from "./dom.js";
import { plain, words } from "./words.js";

const say = words({
  en: {
    bigger: "Show {what} big",
    previous: "Previous",
    next: "Next",
    page: "Its page",
    useIt: "Use as input",
    big: "Big view",
    vector: "A vector in the shared space",
    noPicture: "The browser cannot show this kind; download it.",
  },
  zh: {
    bigger: "放大查看{what}",
    previous: "上一个",
    next: "下一个",
    page: "详情页",
    useIt: "用作输入",
    big: "大图",
    vector: "共享空间中的向量",
    noPicture: "浏览器无法显示此类型，请下载。",
  },
});

/** What stands beside a medium: where it comes from, its page, its bytes. */
function links({ asset, step, name }) {
  return element(
    "figcaption",
    {},
    element("span", { class: "from" }, name ?? step ?? ""),
    element("a", { href: `#/assets/${asset}`, "aria-label": say("page"), title: say("page") }, icon("link")),
    element("a", { href: `#/?asset=${asset}`, "aria-label": say("useIt"), title: say("useIt") }, icon("fork")),
    element("a", { href: downloadUrl(asset), download: "", "aria-label": say("download"), title: say("download") }, icon("download")),
  );
}

function picture(item, index, all) {
  const label = say("bigger", { what: item.name ?? item.step ?? say("image") });
  return element(
    "button",
    { type: "button", class: "picture", "aria-label": label, onclick: () => lightbox(all, index) },
    element("img", { src: contentUrl(item.asset), alt: item.alt ?? item.name ?? item.step ?? say("image"), loading: "lazy" }),
  );
}

function player(item) {
  const source = contentUrl(item.asset),
    named = { "aria-label": item.alt ?? item.name ?? say(item.type) };
  if (item.type === "video")
    return element("video", { src: source, controls: true, preload: "metadata", poster: thumbnailUrl(item.asset, 512), ...named });
  return element(
    "div",
    { class: "sound" },
    element("img", { src: thumbnailUrl(item.asset, 512), alt: "", loading: "lazy" }),
    element("audio", { src: source, controls: true, preload: "metadata", ...named }),
  );
}

/** Figures for `[{asset, type, step?, name?, alt?}]`; pictures and videos open the big view over all of them. */
export function figures(items) {
  const seen = items.filter((item) => item.type === "image" || item.type === "video");
  return items.map((item) =>
    element(
      "figure",
      { class: item.type, "data-asset": item.asset },
      item.type === "image"
        ? picture(item, seen.indexOf(item), seen)
        : item.type === "audio" || item.type === "video"
          ? player(item)
          : element("p", { class: "other" }, icon(item.type), item.type === "embedding" ? say("vector") : say(item.type)),
      links(item),
    ),
  );
}

/** The big view: arrows go to the next, Escape closes; what was focused is focused again. */
export function lightbox(items, start = 0) {
  let at = start;
  const stage = element("div", { class: "stage" }),
    count = element("span", { class: "soft" }),
    tools = element("span", { class: "row" });
  const step = (by) => {
    at = (at + by + items.length) % items.length;
    show();
  };
  const dialog = element(
    "dialog",
    {
      class: "lightbox",
      "aria-label": say("big"),
      onclose: () => dialog.remove(),
      onclick: (event) => {
        if (event.target === dialog || event.target === stage) dialog.close();
      },
    },
    element(
      "div",
      { class: "row" },
      count,
      element("span", { class: "space" }),
      tools,
      button(say("close"), { drawing: "close", bare: true, onclick: () => dialog.close() }),
    ),
    stage,
    items.length > 1 &&
      element(
        "div",
        { class: "row sides" },
        button(say("previous"), { drawing: "left", bare: true, onclick: () => step(-1) }),
        button(say("next"), { drawing: "right", bare: true, onclick: () => step(1) }),
      ),
  );

  function show() {
    const item = items[at],
      source = contentUrl(item.asset);
    stage.replaceChildren(
      item.type === "video"
        ? element("video", { src: source, controls: true, autoplay: true })
        : element("img", { src: source, alt: item.alt ?? item.name ?? item.step ?? say("image") }),
    );
    count.textContent = `${at + 1} / ${items.length}${item.name ? ` · ${plain(item.name)}` : ""}`;
    tools.replaceChildren(
      element(
        "a",
        {
          class: "button quiet bare",
          href: `#/assets/${item.asset}`,
          "aria-label": say("page"),
          title: say("page"),
          onclick: () => dialog.close(),
        },
        icon("link"),
      ),
      element(
        "a",
        { class: "button quiet bare", href: downloadUrl(item.asset), download: "", "aria-label": say("download"), title: say("download") },
        icon("download"),
      ),
    );
  }

  dialog.addEventListener("keydown", (event) => {
    if (event.target.closest("video")) return;
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (by) {
      event.preventDefault();
      step(by);
    }
  });
  show();
  document.body.append(dialog);
  dialog.showModal();
}

/** A small picture of an asset, or a drawing of its kind. */
export function tile(asset, type, size = 40) {
  if (["image", "audio", "video"].includes(type))
    return element("img", {
      class: "tile",
      src: thumbnailUrl(asset, Math.max(16, size * 2)),
      alt: "",
      width: size,
      height: size,
      loading: "lazy",
    });
  return element("span", { class: "tile" }, icon(type));
}

/** The asset's own words: its file name, else its kind. */
export async function nameOf(asset) {
  const found = await get(`/v1/assets/${asset}`);
  return { ...found, shown: found.name ?? say(found.modality) };
}
