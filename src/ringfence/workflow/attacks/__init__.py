"""Every known way through every layer, tried on throw-away twins."""
