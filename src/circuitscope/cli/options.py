"""From a config dataclass to a command: every field is an option with its own sentence as help."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from circuitscope.config import Config, ConfigType, build


def configured(
    kind: type[ConfigType], *, leading: dict[str, Any] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn ``f(config, **leading)`` into a command whose options are the fields of ``kind``.

    Options that are not given do not override the YAML file that ``--config`` names.
    ``leading`` are typer parameters of the command itself, by name.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        own = leading or {}

        def command(**values: Any) -> None:
            file = values.pop("config")
            rest = {name: values.pop(name) for name in own}
            values = {name: _given(value) for name, value in values.items()}
            function(build(kind, values, file), **rest)

        parameters = [_parameter(name, annotation) for name, annotation in own.items()]
        parameters.append(
            _parameter(
                "config",
                Annotated[
                    Path | None,
                    typer.Option(
                        "--config", help="A YAML file of settings; options on the command line win."
                    ),
                ],
                None,
            )
        )
        hints = typing.get_type_hints(kind)
        for item in dataclasses.fields(kind):  # type: ignore[arg-type]
            parameters.append(_parameter(item.name, _annotation(item, hints[item.name]), None))
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {item.name: item.annotation for item in parameters}
        command.__doc__ = function.__doc__
        command.__name__ = function.__name__
        return command

    return decorate


def _given(value: Any) -> Any:
    """A value as a config has it; None if the option is not there."""
    return (tuple(value) or None) if isinstance(value, list) else value


def _parameter(name: str, annotation: Any, default: Any = ...) -> inspect.Parameter:
    if isinstance(annotation, tuple):
        annotation, default = annotation
    if default is ...:  # Parameter.empty cannot be a default itself: a signature reads it as none
        default = inspect.Parameter.empty
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _annotation(item: dataclasses.Field[Any], hint: Any) -> Any:
    plain = hint
    if isinstance(hint, types.UnionType):
        plain = next(kind for kind in typing.get_args(hint) if kind is not type(None))
    flag = "--" + item.name.replace("_", "-")
    help_text = item.metadata["help"] + _default_text(item)
    if plain == tuple[str, ...]:
        return Annotated[list[str] | None, typer.Option(flag, help=help_text, metavar=_metavar(item, str))]
    if plain is bool:
        return Annotated[bool | None, typer.Option(f"{flag}/--no-{flag[2:]}", help=help_text)]
    return Annotated[plain | None, typer.Option(flag, help=help_text, metavar=_metavar(item, plain))]


def _metavar(item: dataclasses.Field[Any], kind: type) -> str:
    if item.metadata.get("choices"):
        return "|".join(item.metadata["choices"])
    return {int: "N", float: "X"}.get(kind, item.name.upper().replace("_", "-"))


def _default_text(item: dataclasses.Field[Any]) -> str:
    if item.metadata.get("required") or item.default in (None, "", ()):
        return ""
    value = item.default
    return f" (default: {('yes' if value else 'no') if isinstance(value, bool) else value})"


RUN = Annotated[Path, typer.Argument(help="A run folder that discover wrote.", metavar="RUN")]
OVERWRITE = (
    Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")],
    False,
)

__all__ = ["OVERWRITE", "RUN", "Config", "configured"]
