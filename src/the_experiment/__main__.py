"""`python -m the_experiment` is the console command."""

from the_experiment.cli import main

if __name__ == "__main__":
    main()
