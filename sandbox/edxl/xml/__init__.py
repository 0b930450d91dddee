"""Messages of the hub as XML (EDXL-DE 2.0): reads, validates by our own statement of the XML Schemas, and writes. Pure.

The document that is read or written has the shape of the JSON form, so that all other code handles one shape only.
"""

from sandbox.edxl.xml.model import NAMESPACES
from sandbox.edxl.xml.reading import ROOT, Reading, read
from sandbox.edxl.xml.tree import XmlError, expressible
from sandbox.edxl.xml.writing import Inexpressible, write

__all__ = ["NAMESPACES", "ROOT", "Inexpressible", "Reading", "XmlError", "expressible", "read", "write"]
