"""One transformer for every modality: what `encoders.unified.backend` serves."""
