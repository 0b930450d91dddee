"""Steps on what needs no editor's slot: the SAS agenda, one more patient (« en sus »), communities, structures."""
