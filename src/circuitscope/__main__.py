"""``python -m circuitscope`` is the command line."""

from circuitscope.cli import main

if __name__ == "__main__":
    main()
