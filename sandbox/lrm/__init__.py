"""The LRM, the dispatch software of a SAMU: receives orientations from the hub, acknowledges them and attaches them to
case files."""
