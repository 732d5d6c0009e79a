"""One frozen dataclass per stage. Each field's sentence is the command line's help and a form's label."""

from circuitscope.config.base import Config, ConfigType, Place, build, parse_bytes
from circuitscope.config.discover import DiscoverConfig
from circuitscope.config.evaluate import EvaluateConfig, SweepConfig

__all__ = [
    "Config",
    "ConfigType",
    "DiscoverConfig",
    "EvaluateConfig",
    "Place",
    "SweepConfig",
    "build",
    "parse_bytes",
]
