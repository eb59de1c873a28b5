"""The switchboard: what `ringfence.toml` says, where the project's files lie, and what `ringfence init` writes."""
