// The field for words and files: typing, dropping and pasting anywhere, the microphone. Files are sent as soon as they are
// added, so that what is wrong with one is said at its chip.
import { get, upload } from "./client.js";
import { button, element, icon } from "./dom.js";
import { tile } from "./media.js";
import { recorder } from "./recorder.js";
import { bytes, words } from "./words.js";

const say = words({
  en: {
    addFiles: "Add files",
    uploading: "uploading …",
    dropHere: "Drop files anywhere",
    nothing: "Write a few words or add a file.",
    stillUploading: "A file is still on its way.",
    tooMany: "At most {count} files.",
  },
  zh: {
    addFiles: "添加文件",
    uploading: "上传中…",
    dropHere: "拖放到任意位置",
    nothing: "请写几个字或添加文件。",
    stillUploading: "还有文件正在上传。",
    tooMany: "最多 {count} 个文件。",
  },
});
const MOST = 16;

/**
 * A form. Options: `label`, `hint`, `send` (the button's words), `keep` (a key of sessionStorage under which a draft outlives a
 * reload), `everywhere` (takes drops and pastes from the whole window), `extras` (elements of the tool row), `onSend(parts)`,
 * `onChange()`, `onFile(blob)` once a file is there. What `onSend` throws is shown. Returns `{node, parts, add, write, clear, complain, leave}`.
 */
export function composer({
  id = "words",
  label,
  hint = "",
  send,
  rows = 2,
  keep,
  everywhere = false,
  extras = [],
  onSend,
  onChange = () => {},
  onFile = () => {},
}) {
  let files = []; // {name, asset?, modality?, error?, source?, stop?}
  const draft = keep ? JSON.parse(sessionStorage.getItem(keep) ?? "null") : null;
  const field = element("textarea", { id, name: "words", rows, placeholder: hint, "aria-label": label, value: draft?.words ?? "" });
  const chips = element("ul", { class: "chips" });
  const trouble = element("div", { class: "error", role: "alert", hidden: true });
  const pick = element("input", {
    id: `${id}-pick`,
    type: "file",
    multiple: true,
    "aria-label": say("addFiles"),
    tabindex: -1,
    onchange: () => {
      add([...pick.files]);
      pick.value = "";
    },
  });
  const submit = element("button", { type: "submit", class: "send" }, element("span", {}, send), icon("send"));
  const voice = recorder(
    (file) => add([file]),
    (words) => complain(new Error(words)),
  );
  const form = element(
    "form",
    {
      class: "composer card",
      onsubmit: (event) => {
        event.preventDefault();
        deliver();
      },
    },
    field,
    chips,
    element(
      "div",
      { class: "row" },
      button(say("addFiles"), { drawing: "clip", bare: true, onclick: () => pick.click() }),
      pick,
      voice.press,
      voice.meter,
      ...extras,
      element("span", { class: "space" }),
      submit,
    ),
    trouble,
  );

  const fit = () => {
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight + 2, innerHeight * 0.4)}px`;
  };

  function remember() {
    if (keep)
      sessionStorage.setItem(
        keep,
        JSON.stringify({
          words: field.value,
          files: files.filter((file) => file.asset).map(({ name, asset, modality, size }) => ({ name, asset, modality, size })),
        }),
      );
    onChange();
  }

  function showChips() {
    chips.replaceChildren(
      ...files.map((file) =>
        element(
          "li",
          { class: file.error ? "bad" : "" },
          file.asset
            ? tile(file.asset, file.modality)
            : file.source
              ? element("img", { class: "tile", src: file.source, alt: "", width: 40, height: 40 })
              : element("span", { class: "tile" }, icon("clip")),
          element(
            "span",
            { class: "name" },
            element("b", {}, file.name),
            element(
              "span",
              { class: "tiny" },
              file.error ?? (file.asset ? `${say(file.modality)}${file.size ? ` · ${bytes(file.size)}` : ""}` : say("uploading")),
            ),
          ),
          button(`${say("remove")} ${file.name}`, { drawing: "close", bare: true, onclick: () => drop(file) }),
        ),
      ),
    );
  }

  function drop(file) {
    file.stop?.abort();
    if (file.source) URL.revokeObjectURL(file.source);
    files = files.filter((other) => other !== file);
    showChips();
    remember();
    field.focus();
  }

  async function take(blob) {
    const file = {
      name: blob.name || "file",
      stop: new AbortController(),
      source: blob.type.startsWith("image/") ? URL.createObjectURL(blob) : null,
    };
    files.push(file);
    showChips();
    try {
      const asset = await upload(blob, { signal: file.stop.signal });
      Object.assign(file, { asset: asset.id, modality: asset.modality, size: asset.size });
      onFile(blob);
    } catch (error) {
      if (error.name === "AbortError") return;
      file.error = error.message;
    }
    showChips();
    remember();
  }

  function add(blobs) {
    complain(null);
    if (files.length + blobs.length > MOST) return complain(new Error(say("tooMany", { count: MOST })));
    for (const blob of blobs) take(blob);
  }

  /** Adds assets that are here already, by their ids. */
  async function addAssets(ids) {
    for (const id of ids) {
      if (files.some((file) => file.asset === id)) continue;
      try {
        const asset = await get(`/v1/assets/${id}`);
        files.push({ name: asset.name ?? id, asset: id, modality: asset.modality, size: asset.size });
      } catch (error) {
        files.push({ name: id, error: error.message });
      }
    }
    showChips();
    remember();
  }

  function complain(error) {
    trouble.hidden = !error;
    trouble.replaceChildren(...(error ? describe(error) : []));
  }

  /** `[{type, …}]` as the API takes them. Throws where there is nothing to send, or a file is not there yet. */
  function parts() {
    if (files.some((file) => !file.asset && !file.error)) throw new Error(say("stillUploading"));
    const bad = files.find((file) => file.error);
    if (bad) throw new Error(`${bad.name}: ${bad.error}`);
    const text = field.value.trim();
    if (!text && !files.length) throw new Error(say("nothing"));
    return [
      ...files.map((file) => ({ type: "asset", asset: file.asset, modality: file.modality })),
      ...(text ? [{ type: "text", text }] : []),
    ];
  }

  async function deliver() {
    if (submit.disabled) return;
    complain(null);
    submit.disabled = true;
    try {
      await onSend(parts());
      clear();
    } catch (error) {
      complain(error);
      if (!error.problem) field.focus();
    } finally {
      submit.disabled = false;
    }
  }

  function clear() {
    field.value = "";
    files = [];
    showChips();
    fit();
    if (keep) sessionStorage.removeItem(keep);
  }

  const holds = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const where = everywhere ? window : form;
  const over = (event) => {
    if (holds(event)) {
      event.preventDefault();
      form.classList.add("over");
    }
  };
  const out = (event) => {
    if (!event.relatedTarget) form.classList.remove("over");
  };
  const dropped = (event) => {
    form.classList.remove("over");
    if (holds(event) && !event.defaultPrevented) {
      event.preventDefault();
      add([...event.dataTransfer.files]);
    }
  };
  const pasted = (event) => {
    if (event.clipboardData?.files.length) {
      event.preventDefault();
      add([...event.clipboardData.files]);
    }
  };
  const heard = [
    ["dragover", over],
    ["dragleave", out],
    ["drop", dropped],
    ["paste", pasted],
  ];
  for (const [name, work] of heard) where.addEventListener(name, work);
  field.addEventListener("input", () => {
    fit();
    remember();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.shiftKey) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  if (draft?.files?.length) {
    files = draft.files;
    showChips();
  }
  requestAnimationFrame(fit);

  return {
    node: form,
    field,
    parts,
    add,
    addAssets,
    clear,
    complain,
    write(text) {
      field.value = text;
      fit();
      remember();
    },
    leave() {
      voice.stop();
      for (const [name, work] of heard) where.removeEventListener(name, work);
    },
  };
}

/** An error as elements: what is wrong, and below it each place with what would work. */
export function describe(error) {
  const faults = error.errors ?? [];
  const single = faults.length === 1 && error.message.includes(faults[0].reason);
  return [
    element("p", {}, error.message),
    ...(faults.length
      ? [
          element(
            "ul",
            { class: "faults" },
            ...faults.map((fault) =>
              element(
                "li",
                {},
                !single && element("span", {}, element("code", {}, fault.pointer ?? ""), ` ${fault.reason ?? ""} `),
                fault.suggestion && element("b", {}, fault.suggestion),
              ),
            ),
          ),
        ]
      : []),
  ];
}
