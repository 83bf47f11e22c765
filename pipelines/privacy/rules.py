"""Names of fields that say who somebody is, where and when: DICOM's, BIDS', EDF's and everyday ones.

DICOM PS3.15, table E.1-1 (Basic Application Level Confidentiality Profile,
https://dicom.nema.org/medical/dicom/current/output/html/part15.html#table_E.1-1), whose attributes BIDS sidecars carry
under the same names; EDF+ for the patient and recording fields (https://www.edfplus.info/specs/edfplus.html).
Names are compared without case, blanks and punctuation, so ``PatientName``, ``patient_name`` and ``Patient's Name`` are
one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["PUBLIC", "folded", "kind_of_name"]

_NAMES: Mapping[str, str] = {
    "name": """
        PatientName PatientsName OtherPatientNames PatientBirthName PatientMotherBirthName SubjectName ParticipantName
        OperatorsName OperatorName ReferringPhysicianName RequestingPhysician PerformingPhysicianName PhysiciansOfRecord
        PhysicianOfRecord NameOfPhysiciansReadingStudy ScheduledPerformingPhysicianName ResponsiblePerson
        PersonName FirstName LastName Surname FamilyName GivenName FullName UserName Login Technician TechnicianName
        Experimenter Investigator InvestigatorCode Owner CreatedBy ModifiedBy""",
    "birth": "PatientBirthDate PatientBirthTime DateOfBirth BirthDate Birthday Birth Dob PatientDob BirthYear",
    "identifier": """
        PatientID PatientsID OtherPatientIDs IssuerOfPatientID AccessionNumber StudyID StudyInstanceUID
        SeriesInstanceUID SOPInstanceUID FrameOfReferenceUID MediaStorageSOPInstanceUID DeviceUID RequestedProcedureID
        MedicalRecordNumber MRN HospitalNumber HospitalID NHSNumber SSN SocialSecurityNumber InsuranceNumber
        PatientCode HisId PatientField PatientInsurancePlanCodeSequence AdmissionID""",
    "date": """
        AcquisitionDate AcquisitionTime AcquisitionDateTime SeriesDate SeriesTime StudyDate StudyTime
        ContentDate ContentTime InstanceCreationDate InstanceCreationTime PerformedProcedureStepStartDate
        PerformedProcedureStepStartTime PerformedProcedureStepEndDate PerformedProcedureStepEndTime
        DateOfLastCalibration TimeOfLastCalibration AdmittingDate AdmittingTime AcqTime AcqDate ScanDate
        ScanTime RecordedAt RecordingDate RecordingField StartField StartDate StartDateTime StartDatetime MeasDate Date
        DateTime Timestamp SessionDate SessionStartTime SessionStart SurgeryDate DateOfSurgery DateOfScan
        DateOfVisit VisitDate ExamDate ExamTime ExpDate ExpTime""",
    "serial": "DeviceSerialNumber SerialNumber StationName GantryID DetectorID PlateID CassetteID GeneratorID HostName",
    "address": """
        InstitutionName InstitutionAddress InstitutionalDepartmentName InstitutionCodeSequence Hospital HospitalName
        Institution Address PatientAddress CountryOfResidence RegionOfResidence CurrentPatientLocation City PostCode
        PostalCode ZipCode Zip Street CodeOfInstitution MilitaryRank""",
    "contact": "PatientTelephoneNumbers Telephone Phone PhoneNumber Email EmailAddress PatientTelecomInformation",
}  # fmt: skip
_TEXTS = """
    ImageComments PatientComments StudyComments AcquisitionComments VisitComments FrameComments AdditionalPatientHistory
    StudyDescription SeriesDescription ProtocolName RequestedProcedureDescription PerformedProcedureStepDescription
    ReasonForStudy Comment Comments Note Notes Remark Remarks Memo MedicalAlerts Allergies Occupation History Descrip"""
PUBLIC = frozenset(
    {
        "citation",
        "authors",
        "author",
        "doi",
        "references",
        "licence",
        "license",
        "species",
        "homepage",
        "relatedpublications",
    }
)
"""Attributes that name those who published the data, and nobody who was measured."""


def folded(name: str) -> str:
    """Return a name in lower case without anything but letters and digits."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


_KINDS = {folded(name): kind for kind, names in _NAMES.items() for name in names.split()}
_KINDS |= {folded(name): "text" for name in _TEXTS.split()}


def kind_of_name(name: str) -> str | None:
    """Return the kind of a field by its name: one of the kinds of a finding, or None where the name says nothing.

    A name that ends in a word for free text (``pathology_note``, ``OP MEMO``) is ``text``.
    """
    kind = _KINDS.get(folded(name))
    if kind is None and re.search(r"(?:^|[_\W])(?:note|memo|comment|remark|history)s?$", name, re.IGNORECASE):
        return "text"
    return kind
