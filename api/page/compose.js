// A new request: words and files.
import { post } from "./client.js";
import { composer } from "./composer.js";
import { element } from "./dom.js";
import { go } from "./shell.js";
import { words } from "./words.js";

const say = words({
  en: { ask: "What would you like?", hint: "What is in the picture, and what do you hear? Then draw what you hear.", send: "Send" },
  zh: { ask: "你想要什么？", hint: "图片里是什么？你听到了什么？然后把你听到的画出来。", send: "发送" },
});

export function show(place, { query }) {
  const box = composer({ label: say("ask"), hint: say("hint"), send: say("send"), keep: "draft", everywhere: true, rows: 3,
    onSend: async (input) => { const job = await post("/v1/jobs", { input }); go(`/jobs/${job.id}`); } });
  place.append(element("div", { class: "column" }, element("h1", {}, say("ask")), box.node));
  if (query.get("words")) box.write(query.get("words"));
  if (query.has("asset")) box.addAssets(query.getAll("asset"));
  box.field.focus();
  return box.leave;
}
