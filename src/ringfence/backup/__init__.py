"""Backups: a dump and its manifest, published together, kept by rules, read back before they count."""
