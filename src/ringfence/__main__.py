"""``python -P -m ringfence`` is the same as the ``ringfence`` command."""

from ringfence.cli.main import main

if __name__ == "__main__":
    main()
