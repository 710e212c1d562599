"""One module a command; each parses its options and calls one function of the house."""
