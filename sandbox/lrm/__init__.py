"""The LRM, the dispatch software of a SAMU: takes orientations from the hub, acknowledges and attaches them."""
