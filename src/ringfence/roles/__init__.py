"""Who may do what in production."""
