"""Sound from words: music and noises, by diffusion or token by token."""
