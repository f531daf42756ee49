// Workflows to begin with: small, and made of what the bundled models can do.
const en = (language, english, chinese) => (language === "zh" ? chinese : english);

/** By name, a function from the language to a document. */
export const TEMPLATES = {
  postcard: (language) => ({
    name: en(language, "Postcard", "明信片"), about: en(language, "Draws what you name and writes your greeting on it.", "画出你说的东西，并写上问候语。"),
    inputs: { subject: { modality: "text", about: en(language, "What to draw", "画什么"), required: true }, greeting: { modality: "text", about: en(language, "What to write on it", "写什么"), required: false, default: en(language, "Hello", "你好") } },
    plan: { steps: [{ id: "draw", tool: "text_to_image", inputs: { prompt: { input: "subject" } }, params: {} }, { id: "write", tool: "caption", inputs: { image: { from: "draw.image" }, text: { input: "greeting" } }, params: {} }], reply: { text: "", show: ["write.image"] } },
  }),
  heard: (language) => ({
    name: en(language, "Draw what you hear", "画出听到的"), about: en(language, "A sound becomes a picture through the shared space, with no words between, and is described.", "声音经由共享空间直接变成图片，并给出描述。"),
    inputs: { sound: { modality: "audio", about: en(language, "A sound", "一段声音"), required: true } },
    plan: { steps: [{ id: "draw", tool: "embedding_to_image", inputs: { embedding: { input: "sound" } }, params: {} }, { id: "tell", tool: "describe", inputs: { media: { input: "sound" } }, params: {} }], reply: { text: "", show: ["draw.image", "tell.text"] } },
  }),
  told: (language) => ({
    name: en(language, "Say what you see", "说出看到的"), about: en(language, "Describes a picture and says it aloud.", "描述一张图片并朗读出来。"),
    inputs: { picture: { modality: "image", about: en(language, "A picture", "一张图片"), required: true } },
    plan: { steps: [{ id: "look", tool: "describe", inputs: { media: { input: "picture" } }, params: {} }, { id: "say", tool: "speak", inputs: { text: { from: "look.text" } }, params: {} }], reply: { text: "", show: ["look.text", "say.audio"] } },
  }),
};
