"""Print the exact versions of what is installed here and belongs to Medley: the text of
`constraints.txt`.

Run in an environment whose tests pass (`make lock`). Local version labels such as `+cpu` are left
out, so that the same line fits every build; packages of one hardware vendor are left to torch's own
metadata.
"""

import re
import sys
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = "medley-orchestrator"
_EXTRAS = ("dev", "starter")
_NOT_OURS = re.compile(r"^(nvidia-|cuda-|triton$|torchvision$|torchaudio$|torchcodec$|timm$)")


def closure(root: str, extras: tuple[str, ...]) -> dict[str, str]:
    """Name -> version of everything that `root` with its extras needs here."""
    found: dict[str, str] = {}
    queue: list[tuple[str, tuple[str, ...]]] = [(root, extras)]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while queue:
        name, wanted = queue.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another platform, or optional and not here
        found[canonicalize_name(name)] = distribution.version.partition("+")[0]
        for line in distribution.requires or ():
            need = Requirement(line)
            if need.marker is None or any(
                need.marker.evaluate({"extra": extra}) for extra in ("", *wanted)
            ):
                queue.append((need.name, tuple(sorted(need.extras))))
    return found


def main() -> None:
    """Write the list to standard output."""
    lines = [
        f"{name}=={version}"
        for name, version in sorted(closure(_ROOT, _EXTRAS).items())
        if name != _ROOT and not _NOT_OURS.match(name)
    ]
    sys.stdout.write("# Written by `make lock`: the versions that the tests ran with.\n")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
