// The page's two languages. Each view declares its own table: `const say = words({ en: {…}, zh: {…} })`.

let language = localStorage.getItem("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");

/** "en" or "zh". */
export const spoken = () => language;

export function switchLanguage() {
  language = language === "en" ? "zh" : "en";
  localStorage.setItem("language", language);
}

/** A function from a key (and values for its `{name}` places) to words; what the table lacks is looked up in the shared one. */
export function words(table) {
  return (key, values = {}) => {
    const text = table[language]?.[key] ?? SHARED[language][key] ?? table.en?.[key] ?? SHARED.en[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
  };
}

const SHARED = {
  en: {
    new: "New", gallery: "Gallery", workflows: "Workflows", models: "Models", system: "System", docs: "API reference", recent: "Recent", older: "Show older",
    language: "中文", theme: "Theme", themeSystem: "as the system", themeDark: "dark", themeLight: "light", menu: "Menu", skip: "Skip to the content", shortcuts: "Keyboard shortcuts",
    close: "Close", cancel: "Cancel", save: "Save", remove: "Remove", download: "Download", copy: "Copy", copied: "Copied", retry: "Try again", open: "Open", back: "Back", loading: "Loading …",
    nothingHere: "Nothing is here.", notFound: "There is no such place.", lost: "The service does not answer; trying again.", signIn: "Sign in", signOut: "Sign out", key: "API key", signInHint: "This service asks for a key. It is kept in a cookie of this browser.", wrongKey: "This key is not accepted.",
    queued: "queued", running: "running", waiting: "waiting for you", canceling: "stopping", succeeded: "done", failed: "failed", canceled: "canceled", expired: "expired",
    blocked: "waits", ready: "ready", cached: "reused", dead: "crashed", skipped: "skipped",
    text: "words", image: "picture", audio: "sound", video: "video", embedding: "embedding", mesh: "mesh", depth: "depth", thermal: "thermal", imu: "motion", data: "data",
    keyNew: "New request", keyHelp: "This list", keySend: "Send", keyPreview: "Show the plan first", keyGallery: "Gallery", keyWorkflows: "Workflows", keyModels: "Models", keySystem: "System", keyEscape: "Close what is open", keyWords: "To the words", keyUndo: "Undo, redo (in a graph)", keyDelete: "Remove the chosen step or link (in a graph)", keyMove: "Move the chosen step; previous or next (in the big view)",
    gap: "Conversation",
  },
  zh: {
    new: "新建", gallery: "图库", workflows: "工作流", models: "模型", system: "系统", docs: "接口文档", recent: "最近", older: "显示更早的",
    language: "English", theme: "主题", themeSystem: "跟随系统", themeDark: "深色", themeLight: "浅色", menu: "菜单", skip: "跳到内容", shortcuts: "键盘快捷键",
    close: "关闭", cancel: "取消", save: "保存", remove: "移除", download: "下载", copy: "复制", copied: "已复制", retry: "重试", open: "打开", back: "返回", loading: "加载中…",
    nothingHere: "这里什么都没有。", notFound: "没有这个地方。", lost: "服务没有应答，正在重试。", signIn: "登录", signOut: "退出登录", key: "API 密钥", signInHint: "此服务需要密钥。密钥保存在本浏览器的 Cookie 中。", wrongKey: "密钥不被接受。",
    queued: "排队", running: "运行中", waiting: "等待您", canceling: "停止中", succeeded: "完成", failed: "失败", canceled: "已取消", expired: "已过期",
    blocked: "等待", ready: "就绪", cached: "复用", dead: "崩溃", skipped: "跳过",
    text: "文字", image: "图片", audio: "声音", video: "视频", embedding: "向量", mesh: "网格", depth: "深度", thermal: "热成像", imu: "运动", data: "数据",
    keyNew: "新请求", keyHelp: "此列表", keySend: "发送", keyPreview: "先看计划", keyGallery: "图库", keyWorkflows: "工作流", keyModels: "模型", keySystem: "系统", keyEscape: "关闭打开的内容", keyWords: "到输入框", keyUndo: "撤销、重做（图中）", keyDelete: "移除选中的步骤或连线（图中）", keyMove: "移动选中的步骤；上一个或下一个（大图中）",
    gap: "对话",
  },
};

/** The shared words alone. */
export const say = words({ en: {}, zh: {} });

/** A tool's or output's name as people read it. */
export const plain = (name) => name.replaceAll("_", " ");

const seconds = (language) => new Intl.NumberFormat(language, { maximumFractionDigits: 1 });

/** A duration in seconds as people say it. */
export function duration(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "";
  if (value < 0.1) return language === "zh" ? "不到 0.1 秒" : "under 0.1 s";
  if (value < 60) return `${seconds(language).format(value)} ${language === "zh" ? "秒" : "s"}`;
  const minutes = Math.floor(value / 60), rest = Math.round(value % 60);
  return language === "zh" ? `${minutes} 分 ${rest} 秒` : `${minutes} min ${rest} s`;
}

/** A moment, short: the time today, the date before. */
export function moment(text) {
  const date = new Date(text), today = date.toDateString() === new Date().toDateString();
  const form = today ? { hour: "2-digit", minute: "2-digit" } : { month: "short", day: "numeric" };
  return new Intl.DateTimeFormat(language === "zh" ? "zh-CN" : "en-GB", form).format(date);
}

/** Bytes as people say them. */
export function bytes(value) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let size = value, place = 0;
  while (size >= 1000 && place < units.length - 1) { size /= 1000; place += 1; }
  return `${size >= 10 || place === 0 ? Math.round(size) : size.toFixed(1)} ${units[place]}`;
}
