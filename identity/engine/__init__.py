"""The engine that brings identities up to date: what a change touches is resolved anew, all else stays as it is."""
