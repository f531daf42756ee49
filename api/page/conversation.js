// A conversation: the turns of one branch, a field to go on, and ways into the other branches.
import { ask } from "./ask.js";
import { get, post, remove } from "./client.js";
import { composer } from "./composer.js";
import { button, element } from "./dom.js";
import { go, styles, title } from "./shell.js";
import { branchTo, treeOf, turnsOf } from "./tree.js";
import { showTurn } from "./turn.js";
import { words } from "./words.js";

const say = words({
  en: {
    next: "Go on",
    hint: "Ask for a change, or for something else …",
    send: "Send",
    rename: "Name of the conversation",
    forget: "Delete",
    sure: "Delete this conversation? Its jobs and files stay.",
    edit: "Ask in other words",
    editing: "This makes another branch; the present one stays.",
    empty: "Nothing was said here yet.",
  },
  zh: {
    next: "继续",
    hint: "请求修改，或提出新的请求…",
    send: "发送",
    rename: "对话名称",
    forget: "删除",
    sure: "删除此对话？任务和文件会保留。",
    edit: "换一种说法",
    editing: "这会产生另一个分支，当前分支保留。",
    empty: "这里还没有说过什么。",
  },
});

async function all(path) {
  const found = [];
  let after = "";
  for (;;) {
    const page = await get(`${path}${path.includes("?") ? "&" : "?"}limit=100${after && `&after=${after}`}`);
    found.push(...page.data);
    if (!page.has_more) return found;
    after = page.last_id;
  }
}

export async function show(place, { id, query }) {
  await styles("work.css");
  await styles("graph.css");
  const [room, messages, jobs] = await Promise.all([
    get(`/v1/conversations/${id}`),
    all(`/v1/conversations/${id}/items?order=asc`),
    all(`/v1/jobs?conversation=${id}&order=asc`),
  ]);
  const tree = treeOf(messages, jobs),
    path = branchTo(tree, query.get("at"));
  const open = (job) => go(`/conversations/${id}?at=${job}`);
  const thread = element("div", { class: "thread column" }),
    turns = [],
    boxes = [];
  title(room.title || id);
  place.append(thread);
  thread.append(heading(room));
  if (!path.length) thread.append(element("p", { class: "empty" }, say("empty")));

  path.forEach((run, number) => {
    const versions = turnsOf(tree, run),
      at = versions.findIndex((one) => one.job === run.job);
    turns.push(
      showTurn(thread, run.job, {
        branches: { at: at + 1, all: versions.length, go: (by) => open(versions[at + by].job) },
        onAgain: (job) => (job.conversation === id ? open(job.id) : go(`/jobs/${job.id}`)),
        onEdit: () => askOtherwise(run, turns[number].node),
        onJob: (job, ended) => {
          if (ended && number === path.length - 1) box.field.focus({ preventScroll: true });
        },
      }),
    );
  });

  /** The newest message of the branch. The service knows it better than what was read when the page was opened. */
  async function tip() {
    const last = path.at(-1);
    if (!last) return undefined;
    const now = await all(`/v1/conversations/${id}/items?order=asc`);
    return now.findLast((message) => message.job === last.job)?.id ?? last.message;
  }

  const box = composer({
    label: say("next"),
    hint: say("hint"),
    send: say("send"),
    everywhere: true,
    rows: 1,
    keep: `draft-${id}`,
    onSend: async (input) => {
      const job = await ask(input, { conversation: id, parent: await tip() });
      open(job.id);
    },
  });
  boxes.push(box);
  thread.append(element("div", { class: "next" }, box.node));

  /** Another request in the place of one that was made: a branch beside it. The first one has no message to follow, so it starts anew. */
  function askOtherwise(run, node) {
    if (node.querySelector(".otherwise")) return;
    const other = composer({
      id: `words-${run.job}`,
      label: say("edit"),
      send: say("send"),
      onSend: async (input) => {
        const job = await ask(input, run.parent ? { conversation: id, parent: run.parent } : {});
        go(`/conversations/${job.conversation}?at=${job.id}`);
      },
    });
    const done = () => {
      other.leave();
      section.remove();
    };
    const section = element(
      "section",
      { class: "otherwise" },
      element("p", { class: "tiny soft" }, say("editing")),
      other.node,
      button(say("cancel"), { kind: "quiet small", onclick: done }),
    );
    node.querySelector(".request").append(section);
    other.write(
      run.parts
        .filter((part) => part.text)
        .map((part) => part.text)
        .join("\n"),
    );
    other.addAssets(run.parts.filter((part) => part.asset).map((part) => part.asset));
    other.field.focus();
    boxes.push(other);
  }

  if (query.get("edit")) {
    const run = path.findLast((one) => one.job === query.get("at"));
    if (run) requestAnimationFrame(() => askOtherwise(run, turns[path.indexOf(run)].node));
  }
  const shown = turns[path.findIndex((run) => run.job === query.get("at"))] ?? turns.at(-1);
  if (turns.length > 1) requestAnimationFrame(() => shown?.node.scrollIntoView({ block: "start" }));
  return () => {
    for (const turn of turns) turn.leave();
    for (const one of boxes) one.leave();
  };
}

function heading(room) {
  const name = element("input", {
    class: "bare-title",
    value: room.title,
    "aria-label": say("rename"),
    placeholder: say("rename"),
    maxlength: 200,
    onchange: async () => {
      await post(`/v1/conversations/${room.id}`, { title: name.value });
      title(name.value || room.id);
    },
  });
  return element(
    "div",
    { class: "row heading" },
    element("h1", { class: "unseen" }, room.title || say("gap")),
    name,
    button(say("forget"), {
      drawing: "trash",
      bare: true,
      onclick: async () => {
        if (confirm(say("sure"))) {
          await remove(`/v1/conversations/${room.id}`);
          go("/");
        }
      },
    }),
  );
}
