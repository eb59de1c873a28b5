"""The guard: judges a command that an agent is about to run by where it leads. A courtesy, not the boundary."""
