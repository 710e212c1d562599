"""Tables as files that a city hall hands on: CSV, XLSX with charts, and HTML, all from one `Paper`."""
