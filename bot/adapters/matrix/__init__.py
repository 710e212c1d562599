"""The adapter for Matrix; its parts are a module each."""

from bot.adapters.matrix.adapter import Matrix

__all__ = ["Matrix"]
