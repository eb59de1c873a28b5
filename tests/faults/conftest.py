"""Projects on shared embedded servers."""

from tests.postgres.workflow.stage import stage, world

__all__ = ["stage", "world"]
