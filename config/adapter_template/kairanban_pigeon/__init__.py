"""Pigeon for Kairanban."""

from .adapter import Pigeon

__all__ = ["Pigeon"]
