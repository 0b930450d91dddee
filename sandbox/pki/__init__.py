"""The sandbox's own health CA: authority, subjects (CN and OU rules), certificates good and bad, CRL."""
