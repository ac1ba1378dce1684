"""The kinds of objects, built in or defined: their names, metadata, selectors and tables."""
