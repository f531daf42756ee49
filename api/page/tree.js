// A conversation as a tree of turns. A turn is a message of the user with one of the jobs that answered it: asking again makes
// another job for the same message, asking in other words another message after the same one.

/** `[{message, job, parts, parent, previous}]`, oldest first; `previous` is the turn that it follows, null at the root. */
export function treeOf(messages, jobs) {
  const jobOf = new Map(messages.map((message) => [message.id, message.job]));
  const first = new Set(jobs.map((job) => job.message));
  const runs = messages
    .filter((message) => message.role === "user" && first.has(message.id))
    .flatMap((message) => {
      const answered = jobs.filter((job) => job.message === message.id);
      return answered.map((job) => ({
        message: message.id,
        job: job.id,
        parts: message.parts,
        parent: message.parent,
        previousJob: message.parent ? (jobOf.get(message.parent) ?? null) : null,
        at: job.created_at,
      }));
    });
  const byJob = new Map(runs.map((run) => [run.job, run]));
  return runs.map((run) => Object.assign(run, { previous: byJob.get(run.previousJob) ?? null })).sort((a, b) => (a.at < b.at ? -1 : 1));
}

/** The versions of a turn: the same message run again, and other messages in its place. */
export function turnsOf(tree, run) {
  return tree.filter(
    (other) =>
      other.previous === run.previous &&
      (run.previous !== null || other.message === run.message || (other.parent === run.parent && run.parent === null)),
  );
}

/** The branch that goes through `job`, down to its newest turn; without one the branch of the newest turn of all. */
export function branchTo(tree, job) {
  let last = tree.find((run) => run.job === job) ?? tree.at(-1);
  if (!last) return [];
  for (;;) {
    // below the wanted turn, the newest one each time
    const below = tree.filter((run) => run.previous === last);
    if (!below.length) break;
    last = below.at(-1);
  }
  const path = [];
  for (let run = last; run; run = run.previous) path.unshift(run);
  return path;
}
