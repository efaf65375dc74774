"""Privacy requests over HTTP: our own words, OpenDSR's and Segment's, at one desk."""
