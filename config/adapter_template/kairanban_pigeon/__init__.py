"""Pigeon for Kairanban."""

from kairanban_pigeon.adapter import Pigeon

__all__ = ["Pigeon"]
