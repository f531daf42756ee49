// The microphone: records, and shows how loud it is while it does.
import { button, element } from "./dom.js";
import { duration, words } from "./words.js";

const say = words({
  en: {
    record: "Record",
    stopRecording: "Stop recording",
    recording: "recording",
    noMicrophone: "The microphone cannot be used here: allow it in the browser, and open the page over https or localhost.",
  },
  zh: {
    record: "录音",
    stopRecording: "停止录音",
    recording: "录音",
    noMicrophone: "这里无法使用麦克风：请在浏览器中允许，并通过 https 或 localhost 打开本页。",
  },
});

/** How loud a block of samples is, 0 to 1, over 60 dB. */
function loudness(samples) {
  const power = samples.reduce((sum, value) => sum + value * value, 0) / samples.length;
  return Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-9)) / 60));
}

/** A button that records. `onFile(file)` gets the recording, `onTrouble(words)` why there is none. */
export function recorder(onFile, onTrouble) {
  let running = null;
  const meter = element("span", { class: "meter", hidden: true, role: "img" }, element("i"), element("span", { class: "tiny soft" }));
  const press = button(say("record"), {
    drawing: "microphone",
    bare: true,
    "aria-pressed": "false",
    onclick: () => (running ? running.recorder.stop() : start()),
  });

  function show(recording) {
    press.setAttribute("aria-pressed", String(recording));
    press.setAttribute("aria-label", say(recording ? "stopRecording" : "record"));
    press.title = say(recording ? "stopRecording" : "record");
    meter.hidden = !recording;
    meter.setAttribute("aria-label", say("recording"));
  }

  function watch(stream) {
    const context = new AudioContext(),
      analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize),
      began = performance.now();
    const timer = setInterval(() => {
      analyser.getFloatTimeDomainData(samples);
      meter.firstChild.style.setProperty("--level", loudness(samples).toFixed(3));
      meter.lastChild.textContent = duration((performance.now() - began) / 1000);
    }, 60);
    return () => {
      clearInterval(timer);
      context.close();
    };
  }

  async function start() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
      return onTrouble(say("noMicrophone"));
    }
    const pieces = [],
      recording = new MediaRecorder(stream),
      unwatch = watch(stream);
    recording.ondataavailable = (event) => pieces.push(event.data);
    recording.onstop = () => {
      unwatch();
      for (const track of stream.getTracks()) track.stop();
      const keep = running?.keep;
      running = null;
      show(false);
      const kind = recording.mimeType.split(";")[0] || "audio/webm";
      if (keep && pieces.length) onFile(new File(pieces, `recording.${kind.split("/")[1]}`, { type: kind }));
    };
    running = { recorder: recording, keep: true };
    recording.start();
    show(true);
  }

  return {
    press,
    meter,
    stop() {
      if (running) {
        running.keep = false;
        running.recorder.stop();
      }
    },
  };
}
