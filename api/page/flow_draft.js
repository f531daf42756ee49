// Drafts: what was changed and not saved yet is kept in this browser, so that a reload loses nothing.
const named = (id) => `flow:${id}`;

/** `{flow, base}`: the unsaved document and the version it began with; null when there is none. */
export function draftOf(id) {
  try {
    const found = JSON.parse(localStorage.getItem(named(id)));
    return found?.flow?.plan?.steps ? found : null;
  } catch {
    return null;
  }
}

export function keepDraft(id, flow, base = null) {
  try { localStorage.setItem(named(id), JSON.stringify({ flow, base })); } catch { /* a full store keeps the page usable */ }
}

/** A name for a workflow that was not saved yet. */
export const freshId = () => `new-${Math.random().toString(36).slice(2, 8)}`;

/** Unsaved new workflows: `[[id, flow]]`. */
export const fresh = () => Object.keys(localStorage).filter((name) => name.startsWith("flow:new-")).map((name) => [name.slice(5), draftOf(name.slice(5))?.flow]).filter(([, flow]) => flow?.plan.steps.length);

export const dropDraft = (id) => localStorage.removeItem(named(id));
