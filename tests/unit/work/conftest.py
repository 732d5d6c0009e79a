"""The rules that every engine keeps are asserted in a module of their own."""

import pytest

pytest.register_assert_rewrite("engine_rules")
