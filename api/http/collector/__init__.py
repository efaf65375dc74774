"""The collector over HTTP: the Segment wire format in front of the framework; the rules are `ingestion.collector`'s."""
