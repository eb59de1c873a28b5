"""Telling an issue on GitHub how a run goes. Nothing here can hold a run up or change how it ends."""
