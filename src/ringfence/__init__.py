"""Ringfence keeps coding agents away from a production PostgreSQL database and proves that it did not change."""

__version__ = "0.1.0"
