"""EDXL-DE messages of Hub Santé, pure: schemas, validation, building and reading. Converts bytes to values and back."""
