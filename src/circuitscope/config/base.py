"""One frozen dataclass per stage. Each field's sentence is the command line's help and a form's label.

Values come from three places, of which the later ones win: the defaults here, a YAML file (``--config``), options.
"""

from __future__ import annotations

import contextlib
import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from circuitscope.errors import BadFile, BadInput, argument


def option(default: Any, help: str, *, choices: tuple[str, ...] = ()) -> Any:
    """A config field with its sentence."""
    return field(default=default, metadata={"help": help, "choices": choices})


def required(help: str) -> Any:
    """A config field that has no default."""
    return field(default="", metadata={"help": help, "required": True})


class Config:
    """What the configs share: checks of choices and of what is required."""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            value, name = getattr(self, item.name), item.name
            choices = item.metadata.get("choices")
            if choices and value not in choices:
                raise BadInput(argument(name, value), expected=" or ".join(choices), mend="use one of these")
            if item.metadata.get("required") and not value:
                raise BadInput(
                    f"{argument(name)} is missing",
                    expected=item.metadata["help"],
                    mend=f"add {argument(name)}",
                )


ConfigType = TypeVar("ConfigType", bound=Config)

ENGINES = ("process", "ray")
"""Where workers run."""


@dataclass(frozen=True)
class ComputeConfig(Config):
    """Where and how a model is run."""

    device: str = option("auto", "Where to run: auto, cpu, cuda, cuda:1, mps.")
    dtype: str = option(
        "float32",
        "Number format of the model and the dictionaries.",
        choices=("float32", "float64", "bfloat16", "float16"),
    )
    seed: int = option(0, "Seed for everything drawn at random: resampling, bootstrap, random circuits.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed < 0:
            raise BadInput(argument("seed", self.seed), expected="a whole number of at least 0")


@dataclass(frozen=True)
class WorkersConfig(Config):
    """Who does the work."""

    workers: int = option(1, "How many workers share the work; 1 does it in this process.")
    engine: str = option(
        "process",
        "Where workers run: process is on this machine, ray on a Ray cluster (pip install 'circuitscope[ray]').",
        choices=ENGINES,
    )
    address: str = option(
        "",
        "The Ray cluster: host:port, or auto for the one that runs on this machine; by default one is started here.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(workers=self.workers)
        if self.address and self.engine != "ray":
            raise BadInput(
                f"{argument('address', self.address)} with {argument('engine', self.engine)}",
                expected="an address for a Ray cluster only",
                mend=f"add {argument('engine', 'ray')}, or leave the address out",
            )


def settings_from(kind: type[ConfigType], arguments: Mapping[str, Any]) -> ConfigType:
    """A config from arguments of the same names, such as a function's ``locals()``; others are ignored."""
    return kind(**{item.name: arguments[item.name] for item in dataclasses.fields(kind)})  # type: ignore[arg-type]


def part_of(config: Config, kind: type[ConfigType]) -> ConfigType:
    """The fields that a config shares with a smaller one, as that one."""
    names = [item.name for item in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: getattr(config, name) for name in names})


def positive(**values: int | None) -> None:
    """Raise BadInput for a number that is given and below 1."""
    for name, value in values.items():
        if value is not None and value < 1:
            raise BadInput(argument(name, value), expected="a whole number of at least 1")


_UNITS = {"": 1, "b": 1, "kb": 10**3, "kib": 2**10, "mb": 10**6, "mib": 2**20, "gb": 10**9, "gib": 2**30}


def parse_bytes(text: str) -> int:
    """``2GiB``, ``500 MB`` or ``1000000`` as a number of bytes."""
    number = text.strip().rstrip("bBkKmMgGiI").strip()
    unit = text.strip()[len(number) :].strip().lower()
    try:
        size = float(number) * _UNITS[unit]
    except (ValueError, KeyError) as error:
        raise BadInput(argument("memory", text), expected="a size like 2GiB or 500MB") from error
    if not 2**20 <= size < float("inf"):
        raise BadInput(argument("memory", text), expected="at least 1MiB")
    return int(size)


_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def parse_seconds(text: str, name: str = "time") -> float:
    """``90s``, ``5m``, ``1.5h`` or ``300`` as a number of seconds."""
    number = text.strip().lower().rstrip("sminh ")
    unit = text.strip().lower()[len(number) :].strip()
    try:
        seconds = float(number) * _SECONDS[unit]
    except (ValueError, KeyError) as error:
        raise BadInput(argument(name, text), expected="a time like 90s, 5m or 1h") from error
    if not 0 < seconds < float("inf"):
        raise BadInput(argument(name, text), expected="a time above 0, like 90s, 5m or 1h")
    return seconds


def build(kind: type[ConfigType], given: Mapping[str, Any], file: str | Path | None = None) -> ConfigType:
    """A config from a YAML file and from the values in ``given``, where None means not given."""
    values = dict(_read_yaml(Path(file))) if file else {}
    types = typing.get_type_hints(kind)
    known = {item.name for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise BadFile(
            f"{file} has unknown settings: {', '.join(unknown)}",
            expected=", ".join(sorted(known)),
            mend="check the spelling; names are those of the options, with _ for -",
        )
    for name, value in values.items():
        values[name] = _as_type(value, types[name], name, str(file))
    values |= {name: value for name, value in given.items() if value is not None}
    return kind(**values)


def _as_type(value: Any, kind: Any, name: str, file: str) -> Any:
    if kind == tuple[str, ...]:
        return _as_texts(value, name, file)
    allowed = typing.get_args(kind) or (kind,)
    if float in allowed and isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError):  # YAML 1.1 reads 1e-3, without a point, as text
            return float(value)
    if type(value) in (int, float) and str in allowed and not {int, float} & set(allowed):
        return str(value)  # a time or a size without a unit
    if kind is str and isinstance(value, bool):  # and unquoted yes and no as true and false
        return "yes" if value else "no"
    if type(value) not in allowed:
        words = " or ".join("nothing" if item is type(None) else item.__name__ for item in allowed)
        raise BadFile(f"{file}: {name} is {value!r}", expected=words, mend="correct the file")
    return value


def _as_texts(value: Any, name: str, file: str) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadFile(
            f"{file}: {name} is {value!r}", expected="a text, or a list of texts", mend="correct the file"
        )
    return tuple(texts)


def _read_yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadFile(f"{path} cannot be read: {error}", expected="a YAML file of settings") from error
    if not isinstance(values, dict):
        raise BadFile(f"{path} contains no settings", expected="lines like examples: 100")
    return {str(name).replace("-", "_"): value for name, value in values.items()}
