"""Codes of the national nomenclatures (NOS) and of HL7 that slots and appointments carry, and the canonical URLs.

Guide, « Identifiants et codes ». The systems and profile URLs really are this irregular. What is accepted is what any
version of the guide admits; where what is emitted depends on the version, a table by version says how.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sandbox.kernel.identifiers import LOCATION_TYPES

VISIBILITY = "https://mos.esante.gouv.fr/NOS/TRE_R314-TypeCreneau/FHIR/TRE-R314-TypeCreneau"
VISIBILITIES = ("PUBLIC", "PRO", "SNP", "CPTS")
SOS_VISIBILITIES = ("PUBLIC", "SNP")

CONSULTATION = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
CONSULTATIONS = {"AMB": "Consultation au cabinet", "HH": "Visite à domicile", "VR": "Téléconsultation"}

BOOKING = "http://terminology.hl7.org/CodeSystem/v2-0276"
ROUTINE, WALKIN = "ROUTINE", "WALKIN"

SPECIALTY = "https://mos.esante.gouv.fr/NOS/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale"

ESTABLISHMENT = "https://mos.esante.gouv.fr/NOS/TRE_R66-CategorieEtablissement/FHIR/TRE-R66-CategorieEtablissement"
ESTABLISHMENT_SHORT = "https://mos.esante.gouv.fr/NOS/TRE_R66-CategorieEtablissement"  # one page; accepted, never sent
CPTS = "604"

TOWNS = "https://mos.esante.gouv.fr/NOS/TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM"  # INSEE codes

SERVICE_TYPE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Slot.serviceType"
CORE_TYPES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
# Code system of the type of a CPTS' identifier (profile sas-cpts-organization-aggregator).
CPTS_ORGANIZATION_TYPES: Mapping[str, str] = MappingProxyType({"1.1.0": LOCATION_TYPES, "1.2.0": CORE_TYPES})

PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
ADMINISTRATIVE = "ADM"  # a participant that stands for the doctor who is not known yet
CATEGORY_SYSTEM = "https://interop.esante.gouv.fr/ig/fhir/sas/CodeSystem/categorie-orientation-sas-codesystem"

_OLD = "http://sas.fr/fhir/StructureDefinition/"
_NEW = "https://interop.esante.gouv.fr/ig/fhir/sas/StructureDefinition/"

BUNDLE_PROFILE = _OLD + "BundleAgregateur"
SLOT_PROFILE = _OLD + "FrSlotAgregateur"
SCHEDULE_PROFILE = _OLD + "FrScheduleAgregateur"
PRACTITIONER_PROFILE = _OLD + "FrPractitionerAgregateur"
ROLE_PROFILE = _OLD + "FrPractitionerRoleExerciceAgregateur"
LOCATION_PROFILE = _OLD + "FrLocationAgregateur"

CPTS_BUNDLE_PROFILE = _NEW + "sas-cpts-bundle-aggregator"
CPTS_SLOT_PROFILE = _NEW + "sas-cpts-slot-aggregator"
CPTS_SERVICE_PROFILE = _NEW + "sas-cpts-healthcareservice-aggregator"
CPTS_ORGANIZATION_PROFILE = _NEW + "sas-cpts-organization-aggregator"

SOS_BUNDLE_PROFILE = _NEW + "sas-sos-bundle-aggregator"
SOS_SLOT_PROFILE = _NEW + "sas-sos-slot-aggregator"
SOS_SCHEDULE_PROFILE = _NEW + "sas-sos-schedule-aggregator"
SOS_LOCATION_PROFILE = _NEW + "sas-sos-location-aggregator"
SOS_ORGANIZATION_PROFILE = _NEW + "sas-sos-organization-aggregator"

REGULATOR_PROFILE = _NEW + "FrPractitionerRegul"
APPOINTMENT_PROFILE = _OLD + "FrAppointmentSAS"
SOS_APPOINTMENT_PROFILE = _NEW + "sas-sos-appointment"
MARKETPLACE_APPOINTMENT_PROFILE = _NEW + "sas-pdm-appointment"  # of the guide's work branch, August 2026

OPERATOR = "http://interopsante.org/fhir/StructureDefinition/FrAppointmentOperator"
CATEGORY = _NEW + "sas-categorie-orientation"  # guide 1.2.0
