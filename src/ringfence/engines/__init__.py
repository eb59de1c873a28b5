"""Where an environment's server runs, and how it is made, started and stopped."""
