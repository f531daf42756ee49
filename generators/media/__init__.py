"""Plain media tools: pictures, sounds, videos and vectors, without weights."""
