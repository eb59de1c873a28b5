"""From production to a proven backup, and from a backup to a database."""
