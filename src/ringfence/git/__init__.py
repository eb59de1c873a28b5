"""The git room: what a repository is in, what a run changed, a commit and a push that run nothing an agent wrote."""
