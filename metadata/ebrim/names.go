package ebrim

import "samdok/metadata"

const (
	rimNS   = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
	rsNS    = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
	lcmNS   = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
	queryNS = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
)

// Classification nodes: what a RegistryPackage is, and limitedMetadata
// (ITI TF-3 4.2.1.2.1, 4.2.1.3.1, 4.2.3.2.29, 4.2.3.3.13, 4.2.3.4.10).
const (
	nodeSet           = "urn:uuid:a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
	nodeFolder        = "urn:uuid:d9d542f3-6cc4-48b6-8870-ea235fbc94c2"
	nodeLimitedEntry  = "urn:uuid:ab9b591b-83ab-4d03-8f5d-f93b1fb92e85"
	nodeLimitedSet    = "urn:uuid:5003a9db-8d8d-49e6-bf0c-990e34ac7707"
	nodeLimitedFolder = "urn:uuid:2c144a76-29a9-4b7c-af54-b25409fe7d03"
)

// Classification schemes (ITI TF-3 4.2.5.1).
const (
	schemeEntryAuthor   = "urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d"
	schemeClass         = "urn:uuid:41a5887f-8865-4c09-adf7-e362475b143a"
	schemeConfidential  = "urn:uuid:f4f85eac-e6cb-4883-b524-f2705394840f"
	schemeEvent         = "urn:uuid:2c6b8cb7-8b2a-4051-b291-b1ae6a575ef4"
	schemeFormat        = "urn:uuid:a09d5840-386c-46f2-b5ad-9c3699a4309d"
	schemeFacility      = "urn:uuid:f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1"
	schemePractice      = "urn:uuid:cccf5598-8b07-4b77-a05e-ae952c785ead"
	schemeType          = "urn:uuid:f0306f51-975f-434e-a61c-c59651d33983"
	schemeSetAuthor     = "urn:uuid:a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
	schemeContentType   = "urn:uuid:aa543740-bdda-424e-8c96-df4873be8500"
	schemeFolderCode    = "urn:uuid:1ba97051-7806-41a8-a48b-8fce7af683c5"
	schemeDocumentation = "urn:uuid:abd807a3-4432-4053-87b4-fd82c643d1f3"
)

// Identification schemes.
const (
	schemeEntryPatient   = "urn:uuid:58a6f841-87b3-4a3e-92fd-a8ffeff98427"
	schemeEntryUnique    = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
	schemeSetPatient     = "urn:uuid:6b5aea1a-874d-4603-a4bc-96a0a7b38446"
	schemeSetSource      = "urn:uuid:554ac39e-e3fe-47fe-b233-965d2a147832"
	schemeSetUnique      = "urn:uuid:96fdda7c-d067-4183-912e-bf5ee74998a8"
	schemeFolderPatient  = "urn:uuid:f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a"
	schemeFolderUnique   = "urn:uuid:75df8f67-9973-4fbe-a900-df66cefecc5a"
	nameEntryPatient     = "XDSDocumentEntry.patientId"
	nameEntryUnique      = "XDSDocumentEntry.uniqueId"
	nameSetPatient       = "XDSSubmissionSet.patientId"
	nameSetSource        = "XDSSubmissionSet.sourceId"
	nameSetUnique        = "XDSSubmissionSet.uniqueId"
	nameFolderPatient    = "XDSFolder.patientId"
	nameFolderUnique     = "XDSFolder.uniqueId"
	slotReferenceIDs     = "urn:ihe:iti:xds:2013:referenceIdList"
	slotSetStatus        = "SubmissionSetStatus"
	typePrefix           = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:"
	typeClassification   = typePrefix + "Classification"
	typeIdentifier       = typePrefix + "ExternalIdentifier"
	typeAssociation      = typePrefix + "Association"
	typePackage          = typePrefix + "RegistryPackage"
	statusTypePrefix     = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
	partialSuccessURN    = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"
	severityErrorURN     = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"
	severityWarningURN   = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Warning"
	membershipOriginal   = "Original"
	membershipReference  = "Reference"
	defaultVersionByEbRS = "1.1" // VersionInfo/@versionName when a sender's library fills it in
)

func membershipText(m metadata.Membership) string {
	switch m {
	case metadata.Original:
		return membershipOriginal
	case metadata.Reference:
		return membershipReference
	}
	return ""
}
