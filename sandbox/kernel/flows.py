"""The flows of the SAS by their official codes, and who speaks them (guide 1.2.0, « Flux »)."""

from __future__ import annotations

from enum import StrEnum

# Versions of the implementation guide `ans.fhir.fr.sas` by which the sandbox can answer; the first is the default.
IG_VERSIONS = ("1.1.0", "1.2.0")


class Flow(StrEnum):
    """One flow. `SOS` has no official code: the guide calls it the search of SOS Médecins slots."""

    INT_R01 = "INT_R01"  # slots of individual practitioners: SAS core -> editor, GET Slot
    INT_R02 = "INT_R02"  # regulator accounts: SAS core -> editor, POST/PUT Practitioner
    INT_R03 = "INT_R03"  # appointments: editor -> SAS core, POST/PUT Appointment
    INT_R04 = "INT_R04"  # CPTS slots: SAS core -> editor, GET Slot
    SOS = "SOS"  # slots of SOS Médecins sites: SAS core -> editor, GET Schedule
    INT_L01 = "INT_L01"  # contextual call: LRM -> SAS core, in the regulator's browser
    INT_L02 = "INT_L02"  # appointment messages: SAS core -> hub -> LRM, and back (Ack, Error)
    PSC = "PSC"  # OpenID Connect: browser and relying parties -> Pro Santé Connect
    UI = "UI"  # pages for people
    API = "API"  # the SAS API and the admin API


class OrientationCategory(StrEnum):
    """What kind of offer the patient was oriented to (RS-SAS-RDV `orientationCategory`)."""

    PS = "PS"
    CPTS = "CPTS"
    SOS = "SOS"
    PDM = "PDM"
    CDS = "CDS"
    MSP = "MSP"


class AppointmentStatus(StrEnum):
    """Status of an appointment, in INT_R03 and in L02 alike."""

    PENDING = "pending"
    BOOKED = "booked"
    FULFILLED = "fulfilled"
    NOSHOW = "noshow"
    CANCELLED = "cancelled"
