// The page's own words, in English and Chinese.
const WORDS = {
  en: {
    ask: "What would you like?", askHint: "What is in the picture, and what do you hear? Then draw what you hear.",
    addFiles: "Add files", record: "Record", stop: "Stop", approveFirst: "Show me the plan first", send: "Send",
    jobs: "Jobs", older: "Older", docs: "API", plan: "Plan", answer: "Answer", given: "Given", made: "Made",
    cancel: "Cancel", retry: "Run again", approve: "Run this plan", reply: "Reply", remove: "Remove", recipe: "As JSON",
    noPlan: "The plan is being made.", download: "Download", nothing: "Write a few words or add a file.",
    lost: "The connection was lost; trying again.", language: "中文", noMicrophone: "The microphone cannot be used here.",
    queued: "queued", running: "running", waiting: "waiting", canceling: "stopping", succeeded: "done", failed: "failed",
    canceled: "canceled", expired: "expired", blocked: "waits", ready: "ready", cached: "reused", dead: "crashed", skipped: "skipped",
  },
  zh: {
    ask: "你想要什么？", askHint: "图片里是什么？你听到了什么？然后把你听到的画出来。",
    addFiles: "添加文件", record: "录音", stop: "停止", approveFirst: "先让我看计划", send: "发送",
    jobs: "任务", older: "更早", docs: "接口", plan: "计划", answer: "回答", given: "输入", made: "生成",
    cancel: "取消", retry: "再运行一次", approve: "运行这个计划", reply: "回复", remove: "移除", recipe: "JSON",
    noPlan: "正在制定计划。", download: "下载", nothing: "请写几个字或添加文件。",
    lost: "连接中断，正在重试。", language: "English", noMicrophone: "这里无法使用麦克风。",
    queued: "排队", running: "运行中", waiting: "等待", canceling: "停止中", succeeded: "完成", failed: "失败",
    canceled: "已取消", expired: "已过期", blocked: "等待", ready: "就绪", cached: "复用", dead: "崩溃", skipped: "跳过",
  },
};

let language = localStorage.getItem("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");

export const say = (key) => WORDS[language][key] ?? key;

export function translate(root = document) {
  document.documentElement.lang = language;
  for (const node of root.querySelectorAll("[data-text]")) node.textContent = say(node.dataset.text);
  for (const node of root.querySelectorAll("[data-placeholder]")) node.placeholder = say(node.dataset.placeholder);
  document.getElementById("language").textContent = say("language");
}

export function switchLanguage() {
  language = language === "en" ? "zh" : "en";
  localStorage.setItem("language", language);
  translate();
}

const EXAMPLES = {
  en: ["Draw a penguin.", "Draw a castle and write Hello on it.", "Say good morning aloud."],
  zh: ["画一只熊猫。", "画一座城堡，然后在上面写“你好”。", "画一条鱼。"],
};
export const examples = () => EXAMPLES[language];
