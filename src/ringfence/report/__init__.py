"""The showcase: what a person and a program get to see of a result."""
