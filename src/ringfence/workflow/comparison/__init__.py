"""Production beside its baseline: the verdict, and the rows."""
