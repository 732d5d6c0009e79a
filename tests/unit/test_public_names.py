"""The public names exist, are found lazily, and a wrong one says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

import circuitscope as cs


def test_every_public_name_is_there():
    missing = [name for name in cs.__all__ if getattr(cs, name, None) is None or name not in dir(cs)]
    assert not missing, ", ".join(missing)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no 'dicover'"):
        cs.dicover  # noqa: B018


def test_importing_the_package_loads_no_torch():
    code = "import sys, circuitscope; circuitscope.Circuit; assert not {'torch', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
