"""Test code that could reach production, found in the files of a repository. Nothing is executed, nobody connects."""
