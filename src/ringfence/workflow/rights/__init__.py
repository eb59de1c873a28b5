"""What the roles of production may do."""
