"""Codes of the national nomenclatures (NOS) and of HL7 that slots carry, and the profiles' canonical URLs.

Guide, « Identifiants et codes ». The systems and profile URLs really are this irregular.
"""

from __future__ import annotations

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

SERVICE_TYPE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Slot.serviceType"
CORE_TYPES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"  # sources of 1.2; accepted, never sent

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
