"""What Kindred runs on: settings, stores, the Spark session, tables, identifiers; it knows no customer."""
