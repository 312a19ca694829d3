"""Entry point of the `watchkeeper` command and of `python -m monitor`."""

from monitor.cli.app import main

if __name__ == "__main__":
    main()
