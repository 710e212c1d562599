"""`python -m config`: the command line `kairanban` where its script is not on the path."""

from config.start import main

main()
