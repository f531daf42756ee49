"""Prompts of unlike length as the tensors of one batch: left-padded, so that all rows end together
and go on with the next token.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hub.items import Item
from hub.prefix import Prefix

if TYPE_CHECKING:
    from torch import Tensor

#: What processors say of each token; padded like the tokens themselves.
TOKENWISE = frozenset({"mm_token_type_ids", "moe_mm_token_type_ids", "token_type_ids"})


def alike(item: Item) -> tuple[Any, ...]:
    """What the items of one batch have in common: the shapes of what they show the model."""
    return tuple(
        (name, *(value.shape[1:] if name not in TOKENWISE and hasattr(value, "shape") else ()))
        for name, value in sorted(item.shown.items())
    )


def padded(
    items: Sequence[Item], model: Any, pad: int, prefix: Prefix | None
) -> "dict[str, Tensor]":
    """Arguments of `generate` for items that are alike.

    Token ids (rows, length) with what the items show beside them; embeddings (rows, length, width)
    as soon as one item has soft tokens. Of plain prompts, what `prefix` knows of their beginning
    stands before the padding, and its cache comes with them.
    """
    if any(item.soft is not None for item in items):
        return _embedded(items, model)
    prompts = [item.before + item.after for item in items]
    if any(item.shown for item in items):
        return _tokens(prompts, model, pad, 0) | _shown(items, model)
    known, cache = prefix.of(prompts) if prefix else (0, None)
    found = _tokens(prompts, model, pad, known)
    return found | ({"past_key_values": cache} if cache is not None else {})


def _tokens(prompts: list[list[int]], model: Any, pad: int, known: int) -> "dict[str, Tensor]":
    import torch

    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), pad, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        begin = longest - len(prompt) + known
        ids[row, :known] = torch.tensor(prompt[:known])
        ids[row, begin:] = torch.tensor(prompt[known:])
        mask[row, :known] = mask[row, begin:] = 1
    return {"input_ids": ids.to(model.device), "attention_mask": mask.to(model.device)}


def _shown(items: Sequence[Item], model: Any) -> dict[str, Any]:
    """What the items show, one after the other: media of all rows in the order of the rows."""
    import torch

    longest = max(item.length for item in items)
    found: dict[str, Any] = {}
    for name in items[0].shown:
        values = [item.shown[name] for item in items]
        if name in TOKENWISE:
            values = [torch.nn.functional.pad(v, (longest - v.shape[1], 0)) for v in values]
        if isinstance(values[0], torch.Tensor):
            kind = model.dtype if values[0].is_floating_point() else None
            found[name] = torch.cat(values).to(model.device, kind)
        else:
            found[name] = [one for value in values for one in value]
    return found


def _embedded(items: Sequence[Item], model: Any) -> "dict[str, Tensor]":
    import torch

    longest, device = max(item.length for item in items), model.device
    embed = model.get_input_embeddings()
    kind = embed.weight.dtype
    rows = torch.zeros(len(items), longest, embed.weight.shape[1], dtype=kind, device=device)
    mask = torch.zeros(len(items), longest, dtype=torch.long, device=device)
    for row, item in enumerate(items):
        parts = [embed(torch.tensor(item.before, dtype=torch.long, device=device))]
        if item.soft is not None:
            parts.append(item.soft.to(device, kind))
        parts.append(embed(torch.tensor(item.after, dtype=torch.long, device=device)))
        rows[row, longest - item.length :] = torch.cat(parts)
        mask[row, longest - item.length :] = 1
    return {"inputs_embeds": rows, "attention_mask": mask}
