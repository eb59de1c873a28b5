"""The checklists of the strategy, each line with its evidence."""
