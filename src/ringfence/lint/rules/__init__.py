"""The rules, one file each. A rule gets one file's code and the facts, and yields what it found."""

from __future__ import annotations

from ringfence.lint.model import Rule
from ringfence.lint.rules import (
    absolute_url,
    compose_shared,
    credentials,
    destructive_script,
    destructive_setup,
    dotenv_fallback,
    playwright_base_url,
    production_address,
)

RULES: tuple[Rule, ...] = (
    absolute_url.RULE,
    production_address.RULE,
    playwright_base_url.RULE,
    dotenv_fallback.RULE,
    credentials.RULE,
    compose_shared.RULE,
    destructive_script.RULE,
    destructive_setup.RULE,
)
