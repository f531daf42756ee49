"""`medley recipe FILE`: how a file was made, as the file itself says it. Needs no service."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medley.cli.options import Json, print_json

if TYPE_CHECKING:
    from medley.recipe import Recipe


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(recipe)


def recipe(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A produced file.")],
    as_json: Json = False,
) -> None:
    """Say how a file was made: words, models, seeds, steps. `medley run --from FILE` makes it
    again.
    """
    found = read(file)
    if as_json:
        data = found.model_dump(mode="json", by_alias=True, exclude_none=True)
        print_json(data)
        return
    typer.echo(found.parameters())
    for name, value in _lines(found):
        typer.echo(f"{name:<8} {value}")


def read(file: Path) -> "Recipe":
    """The recipe in a file, which is looked into in the sandbox. Raises `NoRecipe`, and what the
    sandbox raises.
    """
    from pydantic import ValidationError

    from medley.media.facts import Limits
    from medley.media.sandboxed import in_sandbox
    from medley.recipe import MAX_NOTES, NoRecipe, Recipe

    _, notes = in_sandbox("notes", file, Limits())
    if not notes or len(notes) > MAX_NOTES:
        raise NoRecipe(f"{file.name} carries no recipe of Medley.")
    try:
        return Recipe.model_validate_json(notes)
    except ValidationError as error:
        where = "/".join(str(part) for part in error.errors()[0]["loc"])
        raise NoRecipe(f"What {file.name} carries is no recipe: {where or 'not JSON'}.") from None


def _lines(found: "Recipe") -> list[tuple[str, str]]:
    steps = found.plan.steps if found.plan else []
    return [
        ("made", f"{found.made_at or 'at an unknown time'} by {found.job} as {found.output}"),
        *(("step", f"{step.id}: {step.tool} ({step.model or 'any model'})") for step in steps),
        *(("read", f"{sha256[:16]}… {item.media_type} {item.name}".rstrip())
          for sha256, item in found.inputs.items()),
        *([("cut", "the file had no room for all of it")] if found.cut else []),
    ]  # fmt: skip
