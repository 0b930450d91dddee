"""EDXL-DE messages of Hub Santé, pure: schemas, validation, building, reading. Bytes in, values out, and back."""
