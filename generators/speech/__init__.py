"""Speech: words to sound, by an offline synthesizer that lives in a process of its own."""
