"""What `medley doctor` says of the profiles: which fit this machine, and what is missing."""

from collections.abc import Iterator

from medley.doctor import Finding, Level
from medley.machine import GB, Machine, this_machine
from medley.settings import Settings
from orchestrator.catalogue import known_models
from orchestrator.profiles import Profile, load_profile, load_profiles, size


def profile_findings(settings: Settings, machine: Machine | None = None) -> list[Finding]:
    """One finding for each profile; a fault where files of the chosen one are not here.

    Raises `CallerError` for a profile that there is not.
    """
    known = known_models(settings)
    load_profile(settings.profile, known)
    there = machine or this_machine()
    return [
        _finding(item, there, chosen=item.name == settings.profile)
        for item in load_profiles(known).values()
    ]


def absent_of(settings: Settings) -> str:
    """A sentence about what of the chosen profile is not on this machine; empty where all is."""
    found = load_profile(settings.profile, known_models(settings))
    absent = found.absent()
    return f"{len(absent)} of {len(found.models)} models are not here" if absent else ""


def _finding(profile: Profile, machine: Machine, *, chosen: bool) -> Finding:
    absent = profile.absent()
    lacking = list(profile.too_much(machine))
    says = "; ".join(_sentences(profile, absent_count=len(absent), lacking=lacking))
    level = Level.OK if chosen else Level.NOTE
    return Finding(
        check="profile",
        level=Level.FAULT if chosen and absent else level,
        says=f"{profile.name}{' (chosen)' if chosen else ''}: {says}",
        helps=f"medley models pull --profile {profile.name}" if absent else "",
    )


def _sentences(profile: Profile, *, absent_count: int, lacking: list[str]) -> Iterator[str]:
    if lacking:
        yield "does not fit: " + ", ".join(lacking)
    elif profile.vram_gb:
        yield f"fits: {profile.ram_gb:g} GB of memory, an accelerator of {profile.vram_gb:g} GB"
    else:
        yield f"fits: {profile.ram_gb:g} GB of memory, no accelerator needed"
    if absent_count:
        left = size(profile.absent()) / GB
        yield f"{absent_count} of {len(profile.models)} models are not here, about {left:.0f} GB"
