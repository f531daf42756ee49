"""The machine: what there is of memory and disk. Measured without loading anything."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

GB = 10**9
_CGROUP = Path("/sys/fs/cgroup/memory.max")  # of a container
#: How much of an accelerator, and of a machine's memory, models may fill; the rest is for work.
_SHARE_OF_VRAM, _SHARE_OF_RAM = 0.9, 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Bytes of memory, of the largest accelerator's memory (0: none), and free where models lie."""

    ram: int
    vram: int
    disk: int


def this_machine() -> Machine:
    """What this machine has."""
    return Machine(ram=_ram(), vram=_vram(), disk=free_disk(cache()))


def model_memory(machine: Machine, *, accelerated: bool, processes: int) -> int:
    """Bytes that models may take in one worker process where no setting says it."""
    if accelerated and machine.vram:
        return int(machine.vram * _SHARE_OF_VRAM)  # one process to a device
    return int(machine.ram * _SHARE_OF_RAM) // max(1, processes)


def cache() -> Path:
    """The folder of downloaded models: `HF_HUB_CACHE`, or that of `HF_HOME`."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE).expanduser()


def free_disk(folder: Path) -> int:
    """Bytes that are free where this folder is, or would be made."""
    existing = next(part for part in (folder, *folder.parents) if part.exists())
    return shutil.disk_usage(existing).free


def _ram() -> int:
    """Of this machine, or what its container is allowed."""
    total = psutil.virtual_memory().total
    try:
        allowed = _CGROUP.read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(allowed)) if allowed.isdigit() else total


def _vram() -> int:
    """Of the largest NVIDIA card, as its own tool tells; 0 without it."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    if shutil.which(command[0]) is None:
        return 0
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    sizes = [line.strip() for line in told.stdout.splitlines()]
    return max((int(size) << 20 for size in sizes if size.isdigit()), default=0)
