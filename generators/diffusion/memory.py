"""Memory: what makes a pipeline smaller, and what is done when the device runs out all the same.

The ladder, from cheap to dear:

1. what the device only keeps for later is freed, and the call is made again;
2. the autoencoder decodes by slices and tiles;
3. fewer pictures at a time;
4. weights wait in the machine's memory and come to the device as they are needed.

Decoding climbs the ladder inside the call, so that denoising that is done is not done again when
only decoding ran out.
"""

import gc
import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from generators.diffusion.steps import replaced
from medley.backend import ModelSpec
from medley.checkpoints import config_of, dtype_for
from medley.errors import Unavailable

FREED, TILED, FEWER, OFFLOADED = 1, 2, 3, 4
_DENOISERS = ("transformer", "transformer_2", "unet", "decoder", "prior_prior")
_DECODERS = ("vae", "movq", "vqvae")


def quantisation(model: ModelSpec, folder: Path) -> dict[str, Any]:
    """Arguments of `from_pretrained` for the option `int8`: weights of the denoiser as 8-bit whole
    numbers (torchao). Raises `Unavailable` where torchao is not installed.
    """
    if not model.options.get("int8"):
        return {}
    if importlib.util.find_spec("torchao") is None:
        raise Unavailable(f"{model.id}: the option int8 needs the library torchao.")
    from diffusers import PipelineQuantizationConfig, TorchAoConfig

    kinds: Any = importlib.import_module("torchao.quantization")
    names = [name for name in _DENOISERS if name in config_of(folder, "model_index.json")]
    mapping = {name: TorchAoConfig(kinds.Int8WeightOnlyConfig()) for name in names}
    return {"quantization_config": PipelineQuantizationConfig(quant_mapping=mapping)}


def apply_switches(pipeline: Any, model: ModelSpec, device: str) -> None:
    """Brings the pipeline to the device, as the model's options say: `vae_slicing`, `vae_tiling`,
    `layerwise_casting` (weights as 8-bit floats, computing in the model's dtype), `group_offload`
    (weights come to the device layer by layer) and `compile`.
    """
    import torch

    options = model.options
    for vae in decoders(pipeline).values():
        _decode_in_parts(vae, bool(options.get("vae_slicing")), bool(options.get("vae_tiling")))
    networks = [pipeline.components[name] for name in _DENOISERS if _has(pipeline, name)]
    if options.get("layerwise_casting"):
        for network in networks:
            network.enable_layerwise_casting(
                storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype_for(model, device)
            )
    if options.get("group_offload"):
        offload(pipeline, device)
    else:
        pipeline.to(device)
    if options.get("compile"):
        for network in networks:
            if getattr(network, "_repeated_blocks", None):
                network.compile_repeated_blocks()
            else:
                network.compile()


def offload(pipeline: Any, device: str) -> None:
    """Weights wait in the machine's memory and come layer by layer. Slow, and small."""
    import torch

    # Those that cannot be taken layer by layer stay on the device.
    whole = [
        name
        for name, part in pipeline.components.items()
        if not getattr(part, "_supports_group_offloading", True)
    ]
    pipeline.enable_group_offload(
        onload_device=torch.device(device),
        offload_device=torch.device("cpu"),
        offload_type="leaf_level",
        **({"exclude_modules": whole} if whole else {}),
    )


def free() -> None:
    """Frees what nothing uses any more, on the device too."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """CUDA has a type for it; the CPU allocator only has words."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "not enough memory" in str(error)


def decoders(pipeline: Any) -> dict[str, Any]:
    """The autoencoders that turn latents into pictures, by component name."""
    return {
        name: pipeline.components[name]
        for name in _DECODERS
        if _has(pipeline, name) and callable(getattr(pipeline.components[name], "decode", None))
    }


@contextmanager
def patient_decoding(pipeline: Any, device: str, used: Callable[[int], None]) -> Iterator[None]:
    """While this lasts, decoding that runs out of memory tries again with less. `used` hears each
    rung of the ladder. Raises what decoding raises when no rung helps.
    """
    with ExitStack() as undo:
        for name, vae in decoders(pipeline).items():
            others = [
                part
                for other, part in pipeline.components.items()
                if other != name and callable(getattr(part, "parameters", None))
            ]
            undo.enter_context(_patient(vae, others, device, used))
        yield


@contextmanager
def _patient(
    vae: Any, others: list[Any], device: str, used: Callable[[int], None]
) -> Iterator[None]:
    original = vae.decode

    def decode(latents: Any, *args: Any, **kwargs: Any) -> Any:
        def whole() -> Any:
            return original(latents, *args, **kwargs)

        def singly() -> Any:
            return _joined([original(row, *args, **kwargs) for row in latents.split(1)])

        error = None
        for rung in (0, FREED, TILED, FEWER, OFFLOADED):
            if rung:
                used(rung)
                free()
            if rung == TILED:
                _decode_in_parts(vae, slicing=True, tiling=True)
            try:
                if rung == OFFLOADED:
                    with _aside(others, device):
                        return singly()
                return singly() if rung == FEWER else whole()
            except Exception as problem:
                if not is_out_of_memory(problem):
                    raise
                error = problem.with_traceback(None)  # which holds on to the tensors
        assert error is not None
        raise error

    with replaced(vae, "decode", decode):
        yield


@contextmanager
def _aside(parts: list[Any], device: str) -> Iterator[None]:
    """While this lasts, these parts wait in the machine's memory."""
    moved = [part for part in parts if next(part.parameters()).device.type == device]
    for part in moved:
        part.to("cpu")
    free()
    try:
        yield
    finally:
        for part in moved:
            part.to(device)


def _decode_in_parts(vae: Any, slicing: bool, tiling: bool) -> None:
    for wanted, name in ((slicing, "enable_slicing"), (tiling, "enable_tiling")):
        if wanted and callable(switch := getattr(vae, name, None)):
            try:
                switch()
            except NotImplementedError:  # inherited, and not for this autoencoder
                continue


def _joined(outcomes: list[Any]) -> Any:
    """One outcome of `decode` for a whole batch, of those of its items."""
    import torch

    first = outcomes[0]
    if isinstance(first, tuple):
        return (torch.cat([outcome[0] for outcome in outcomes]),)
    return type(first)(sample=torch.cat([outcome.sample for outcome in outcomes]))


def _has(pipeline: Any, name: str) -> bool:
    return pipeline.components.get(name) is not None
