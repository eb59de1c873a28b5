"""What production was, what it is, and whether that is the same."""
