"""The two environments: set up, started, stopped, shown; and twins of them to try things on."""
