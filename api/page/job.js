// One job by itself: its turn with the plan open, and a field to go on with it.
import { get } from "./client.js";
import { ask } from "./ask.js";
import { composer } from "./composer.js";
import { element } from "./dom.js";
import { ENDED } from "./follow.js";
import { go, styles, title } from "./shell.js";
import { showTurn } from "./turn.js";
import { words } from "./words.js";

const say = words({
  en: { next: "Go on from here", hint: "Ask for a change, or for something else …", send: "Send", thread: "The whole conversation" },
  zh: { next: "继续", hint: "请求修改，或提出新的请求…", send: "发送", thread: "整个对话" },
});

/** The last message of a job in its conversation: what a turn that goes on from it follows. */
export async function lastMessage(job) {
  let found = null,
    after = "";
  for (;;) {
    const page = await get(`/v1/conversations/${job.conversation}/items?limit=100${after && `&after=${after}`}`);
    for (const item of page.data) if (item.job === job.id) found = item.id;
    if (!page.has_more) return found ?? job.message;
    after = page.last_id;
  }
}

export async function show(place, { id }) {
  await styles("work.css");
  await styles("graph.css");
  const column = element("div", { class: "thread wide" }),
    top = element("div", { class: "row" }),
    end = element("div", { class: "column next" });
  place.append(column);
  column.append(top);
  let box = null;
  const again = (job) => go(`/jobs/${job.id}`);
  const turn = showTurn(column, id, {
    alone: true,
    onAgain: again,
    onEdit: (job) => edit(job),
    onJob: (job) => {
      title(job.input.find((part) => part.text)?.text.slice(0, 60) ?? job.id);
      if (job.conversation && !top.childElementCount)
        top.append(element("a", { href: `#/conversations/${job.conversation}?at=${job.id}` }, say("thread")));
      if (!box && ENDED.has(job.status) && job.conversation) {
        box = composer({
          label: say("next"),
          hint: say("hint"),
          send: say("send"),
          everywhere: true,
          keep: `draft-${id}`,
          onSend: async (input) => {
            const made = await ask(input, { conversation: job.conversation, parent: await lastMessage(job) });
            go(`/conversations/${made.conversation}?at=${made.id}`);
          },
        });
        end.append(box.node);
      }
    },
  });
  column.append(end);

  const edit = (job) =>
    go(
      job.conversation
        ? `/conversations/${job.conversation}?at=${job.id}&edit=1`
        : `/?words=${encodeURIComponent(job.input.find((part) => part.text)?.text ?? "")}`,
    );
  return () => {
    turn.leave();
    box?.leave();
  };
}
