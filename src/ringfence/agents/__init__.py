"""The agents room: what an agent is told, what it may see, and how it is started, watched and ended."""
