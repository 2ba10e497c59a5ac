package fault

// Code is an error code of ITI TF-3 Table 4.2.4.1-2 and its supplements. Codes
// with two names by actor (Registry, Repository) are kept in the registry's
// form; see Code.ForRepository.
type Code string

const (
	DocumentUniqueIDError    Code = "XDSDocumentUniqueIdError"
	DuplicateUniqueID        Code = "XDSDuplicateUniqueIdInRegistry"
	ExtraMetadataNotSaved    Code = "XDSExtraMetadataNotSaved"
	InvalidDocumentContent   Code = "InvalidDocumentContent"
	MissingDocument          Code = "XDSMissingDocument"
	MissingDocumentMetadata  Code = "XDSMissingDocumentMetadata"
	MissingHomeCommunityID   Code = "XDSMissingHomeCommunityId"
	NonIdenticalHash         Code = "XDSNonIdenticalHash"
	NonIdenticalSize         Code = "XDSNonIdenticalSize"
	PatientIDDoesNotMatch    Code = "XDSPatientIdDoesNotMatch"
	DeprecatedDocument       Code = "XDSRegistryDeprecatedDocumentError"
	DuplicateInMessage       Code = "XDSRegistryDuplicateUniqueIdInMessage"
	RegistryBusy             Code = "XDSRegistryBusy"
	RegistryError            Code = "XDSRegistryError"
	RegistryMetadataError    Code = "XDSRegistryMetadataError"
	RegistryNotAvailable     Code = "XDSRegistryNotAvailable"
	RegistryOutOfResources   Code = "XDSRegistryOutOfResources"
	RepositoryBusy           Code = "XDSRepositoryBusy"
	RepositoryDuplicateInMsg Code = "XDSRepositoryDuplicateUniqueIdInMessage"
	RepositoryError          Code = "XDSRepositoryError"
	RepositoryMetadataError  Code = "XDSRepositoryMetadataError"
	RepositoryOutOfResources Code = "XDSRepositoryOutOfResources"
	ResultNotSinglePatient   Code = "XDSResultNotSinglePatient"
	StoredQueryMissingParam  Code = "XDSStoredQueryMissingParam"
	StoredQueryParamNumber   Code = "XDSStoredQueryParamNumber"
	TooManyResults           Code = "XDSTooManyResults"
	UnavailableCommunity     Code = "XDSUnavailableCommunity"
	UnknownCommunity         Code = "XDSUnknownCommunity"
	UnknownPatientID         Code = "XDSUnknownPatientId"
	UnknownRepositoryID      Code = "XDSUnknownRepositoryId"
	UnknownStoredQuery       Code = "XDSUnknownStoredQuery"
	UnresolvedReference      Code = "UnresolvedReferenceException"

	// Of recipients of messages (XDR).
	UnknownRecipient           Code = "UnknownRecipient"
	PartialAppendContent       Code = "PartialAppendContentNotProcessed"
	PartialFolderContent       Code = "PartialFolderContentNotProcessed"
	PartialRelationshipContent Code = "PartialRelationshipContentNotProcessed"
	PartialReplaceContent      Code = "PartialReplaceContentNotProcessed"
	PartialTransformContent    Code = "PartialTransformContentNotProcessed"
	PartialTransformReplace    Code = "PartialTransformReplaceNotProcessed"

	// Updates and removals (Metadata Update, RMU and RMD supplements).
	InvalidRequest          Code = "XDSInvalidRequestException"
	LocalPolicyRestriction  Code = "LocalPolicyRestrictionError"
	MetadataAnnotationError Code = "XDSMetadataAnnotationError"
	MetadataIdentifierError Code = "XDSMetadataIdentifierError"
	MetadataUpdateError     Code = "XDSMetadataUpdateError"
	MetadataUpdateOperation Code = "XDSMetadataUpdateOperationError"
	MetadataVersionError    Code = "XDSMetadataVersionError"
	ObjectTypeError         Code = "XDSObjectTypeError"
	PatientIDReconciliation Code = "XDSPatientIDReconciliationError"
	ReferencesExist         Code = "ReferencesExistException"
	RemoveDocumentsError    Code = "XDSRemoveDocumentsError"
	UnmodifiableMetadata    Code = "UnmodifiableMetadataError"
	UnreferencedObject      Code = "XDSUnreferencedObjectException"
)

// ForRepository is the name that a Document Repository or Recipient uses for the
// code where the two actors' names differ (ITI TF-3 Table 4.2.4.1-2).
func (c Code) ForRepository() Code {
	switch c {
	case RegistryMetadataError:
		return RepositoryMetadataError
	case DuplicateInMessage:
		return RepositoryDuplicateInMsg
	case RegistryError:
		return RepositoryError
	case RegistryBusy:
		return RepositoryBusy
	case RegistryOutOfResources:
		return RepositoryOutOfResources
	}
	return c
}
