"""What every room needs of PostgreSQL: where to connect, how, who answers, which programs there are."""
