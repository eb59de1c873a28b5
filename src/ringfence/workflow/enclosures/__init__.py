"""What holds agents in: the test database they get, the sandbox, the guard in their hooks."""
