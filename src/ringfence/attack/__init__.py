"""Known ways in which an agent destroys production, as data, and what is said of each after it was tried."""
