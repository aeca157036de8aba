"""`python -m daemon.cli`: the same as the command `aipstream`."""

from daemon.cli.main import main

if __name__ == "__main__":
    main()
