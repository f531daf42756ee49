"""Encoders: media in, meaning out. One file a family; `encoders.registry` is the list of them."""
