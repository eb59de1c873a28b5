"""What holds an agent in: what it can see, what it can reach, and the proof by trying. Runs without the rest."""
