"""The protected workflow: before, agents, after; its two halves; and the demo of it."""
