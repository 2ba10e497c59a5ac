package docs

import (
	"strings"

	"samdok/fault"
)

// entry explains one code. A repository's own name of a code stands in the row
// of the registry's name.
type entry struct {
	code fault.Code
	in   string // transactions that answer it; "" when this version never does
	when string
	do   string // for the sender
}

// entries holds every code of package fault once, warnings last.
var entries = []entry{
	{fault.RegistryMetadataError, "ITI-41, ITI-42, ITI-61; ITI-18 for `limits.slots` and `limits.values`",
		"The metadata breaks a rule: a required attribute is missing, a value has a wrong form or is outside the value set of the profile, an association does not fit, there are more objects, slots or values than the limits allow, the stated hash or size is not that of the bytes, a submitted UUID is taken.",
		"Mend what codeContext names. All errors that were found are listed. Sending the same again changes nothing."},
	{fault.DuplicateInMessage, "ITI-41, ITI-42",
		"Two objects of the message have the same uniqueId.",
		"Give each its own."},
	{fault.DuplicateUniqueID, "ITI-41, ITI-42, ITI-57, ITI-61, ITI-92",
		"The uniqueId of the submission set or of a folder is registered already; or an on-demand entry has the uniqueId of a stable one, or the other way round.",
		"If this is the same message sent again, it was accepted the first time: stop. Otherwise use a new uniqueId."},
	{fault.NonIdenticalHash, "ITI-41, ITI-42",
		"The document's uniqueId is registered for bytes with another SHA-1.",
		"New content needs a new uniqueId; register it as a replacement."},
	{fault.NonIdenticalSize, "ITI-41, ITI-42",
		"The document's uniqueId is registered for bytes of another length.",
		"New content needs a new uniqueId; register it as a replacement."},
	{fault.PatientIDDoesNotMatch, "ITI-41, ITI-42",
		"Objects of one submission, or what they refer to, are of different patients.",
		"Send one submission for each patient. Only a submission set's Reference may lead to another patient's document."},
	{fault.UnknownPatientID, "ITI-42, ITI-41",
		"The patient was never announced by a patient identity feed. The only value of the setting `patients`, open, knows every patient, so this is not answered yet.",
		"Check the patient id, or let the feed announce the patient first."},
	{fault.UnresolvedReference, "ITI-41, ITI-42, ITI-57, ITI-62",
		"An association leads to an object that is neither in the submission nor in the registry, or a relationship does not start at a document of the submission; an update names a logical id, or a removal an id, under which nothing is registered (or nothing that the caller may change).",
		"Check the ids at both ends, or the id that codeContext names."},
	{fault.DeprecatedDocument, "ITI-41, ITI-42, ITI-57",
		"The document to be replaced, transformed, appended to or put into a folder is deprecated, or becomes so by this submission.",
		"Ask which document took its place (GetRelatedDocuments) and relate to that one."},
	{fault.MissingDocument, "ITI-41",
		"A DocumentEntry has no Document, or the attachment that it refers to did not come.",
		"Send the document, or leave the entry out."},
	{fault.MissingDocumentMetadata, "ITI-41",
		"A Document or an attachment has no DocumentEntry.",
		"Describe it, or leave it out."},
	{fault.InvalidDocumentContent, "ITI-41",
		"The malware scanner found something in the document. codeContext begins with its uniqueId.",
		"Do not send the document again; ask whoever made it."},
	{fault.MetadataUpdateError, "ITI-57, ITI-92",
		"An update breaks a rule that has no code of its own: the OriginalStatus is not the present one, an object is updated twice, connected new versions differ in AssociationPropagation, hash or size change. location is the submitted id.",
		"Read the registered metadata again and mend what codeContext names."},
	{fault.MetadataUpdateOperation, "ITI-57, ITI-92",
		"What shall be done cannot be told: an object without an association from the submission set, a missing PreviousVersion, OriginalStatus or NewStatus, or no operation at all.",
		"Add the association or the Slot that codeContext names."},
	{fault.MetadataVersionError, "ITI-57, ITI-92",
		"PreviousVersion is not the newest version, the status of an older version shall change, or, in ITI-92, nothing is registered under the logical id.",
		"Read the newest version ($MetadataLevel 1) and update that."},
	{fault.MetadataIdentifierError, "ITI-57, ITI-92",
		"The logical id belongs to another kind of object, or to one with another uniqueId or objectType.",
		"Keep all three; register new content as a replacement."},
	{fault.MetadataAnnotationError, "ITI-92",
		"The HasMember to the new version lacks PreviousVersion, or AssociationPropagation is neither yes nor no.",
		"Mend that Slot."},
	{fault.InvalidRequest, "ITI-57, ITI-92",
		"An update holds a first version: its lid is missing or is its own id.",
		"Send the lid of the registered object, or register a new one with ITI-41 or ITI-42."},
	{fault.PatientIDReconciliation, "ITI-57, ITI-92",
		"After the update, approved objects that approved associations connect would be of different patients; or a restricted update changes the patient.",
		"Correct a patient with AssociationPropagation no, under a submission set of the right patient."},
	{fault.ObjectTypeError, "ITI-92",
		"The new version has another objectType, and `updates.changed-object-type` is object-type; else it is UnmodifiableMetadataError", "Keep the objectType"},
	{fault.UnmodifiableMetadata, "ITI-92",
		"A restricted update changes what it may not: objectType, availabilityStatus, documentAvailability, repositoryUniqueId, sourcePatientId, a folder or an association.",
		"Leave it as it is, or ask an administrator for ITI-57."},
	{fault.LocalPolicyRestriction, "ITI-92",
		"Hash or size of a document that this server holds shall change.",
		"Leave them as they are; replace the document instead."},
	{fault.ReferencesExist, "ITI-62",
		"An object shall be removed that an association leads to which is not removed with it.",
		"Name that association too."},
	{fault.UnreferencedObject, "ITI-62",
		"An object that stays would be left without a membership of a submission set, or a set without members. codeContext begins with its id.",
		"Name that object too, or leave it a membership."},
	{fault.RemoveDocumentsError, "ITI-86",
		"The document can no longer be retrieved, but its bytes could not be destroyed yet. location is the uniqueId.",
		"Nothing: the sweep destroys them. Tell the operator when it happens again."},
	{fault.StoredQueryMissingParam, "ITI-18, ITI-51",
		"A required parameter is missing, or none of its values can be understood (statuses).",
		"Give the parameter that codeContext names."},
	{fault.StoredQueryParamNumber, "ITI-18, ITI-51",
		"A parameter has too many values, stands twice, excludes another one that was given, or cannot be read (a code without scheme, a date).",
		"Mend the parameter that codeContext names."},
	{fault.UnknownStoredQuery, "ITI-18, ITI-51",
		"No stored query has this id.",
		"Check the id; queries about several patients go to ITI-51, when it is switched on, and only they."},
	{fault.TooManyResults, "ITI-18, ITI-43, ITI-51",
		"The answer or the request is larger than `limits.query-leafclass`, `limits.query-objectrefs`, `multi-patient.patients`, `multi-patient.objects` or the number of documents in one retrieval.",
		"Narrow the search, ask for ObjectRef first, or ask in several requests."},
	{fault.ResultNotSinglePatient, "ITI-18",
		"A LeafClass answer would hold metadata of several patients.",
		"Ask for ObjectRef, or for one patient's objects at a time."},
	{fault.DocumentUniqueIDError, "ITI-43, ITI-86",
		"There is no such document here, or the caller may not see it: the answer is the same on purpose. location is the uniqueId.",
		"Ask the registry again; check repositoryUniqueId and uniqueId."},
	{fault.UnknownRepositoryID, "ITI-43, ITI-86",
		"The repositoryUniqueId is not this repository's. location is the uniqueId.",
		"Send the request to the repository that the entry names."},
	{fault.UnknownCommunity, "ITI-18, ITI-38, ITI-39, ITI-43, ITI-86",
		"The homeCommunityId is not this community's, or none that the gateway knows; also: a community answered in another's name. location is the uniqueId or the homeCommunityId.",
		"Ask that community, or a gateway."},
	{fault.RegistryBusy, "all",
		"Nothing is wrong with the request: others wrote for the same patient, too much waits for the disk, access could not be decided, the malware scanner is away, or the audit record could not be written.",
		"Send the same message again after a pause. A submission that was stored all the same is then refused with XDSDuplicateUniqueIdInRegistry."},
	{fault.RegistryOutOfResources, "all",
		"A limit was passed, which codeContext names, or the server's disk is full.",
		"Send less in one message; if the disk is full, send again when the operator has made room."},
	{fault.RegistryError, "all",
		"Nothing more exact fits: the stored data cannot be read, the patient id of a query cannot be read, the returnType is unknown, the caller may not submit, or something failed inside.",
		"Read codeContext. If it names a reference, give it to the server's operator."},
	{fault.MissingHomeCommunityID, "ITI-18, ITI-38, ITI-39, ITI-43",
		"A gateway was asked for an object or a document without its community; or a community answered objects without one, which are left out.",
		"Give the homeCommunityId that the object came with."},
	{fault.UnavailableCommunity, "ITI-18, ITI-38, ITI-39, ITI-43",
		"A community gave no answer to the gateway: it is away, too slow, wrong, or left alone after several failures. location is its homeCommunityId, or the uniqueId.", "Ask again later; the answers of the other communities hold."},
	{fault.UnknownRecipient, "ITI-41 to a recipient (also as a warning)",
		"The intendedRecipient names no organisation that has a mailbox here. As a warning: others of the message have, and got it.",
		"Name the organisation with its id (component 10 of XON). See the setting `recipient.mailboxes`."},
	{fault.PartialReplaceContent, "ITI-41 to a recipient (warning)",
		"The message replaces a document that is not in it. It was received without that association.", "Nothing: a mailbox holds what was sent, and relates it to nothing else."},
	{fault.PartialAppendContent, "ITI-41 to a recipient (warning)",
		"The message appends to a document that is not in it. It was received without that association.", "Nothing, as above."},
	{fault.PartialTransformContent, "ITI-41 to a recipient (warning)",
		"The message holds a transformation of a document that is not in it. It was received without that association.", "Nothing, as above."},
	{fault.PartialTransformReplace, "ITI-41 to a recipient (warning)",
		"The message holds a transformation that replaces a document that is not in it. It was received without that association.", "Nothing, as above."},
	{fault.PartialFolderContent, "ITI-41 to a recipient (warning)",
		"The message puts something into a folder, or into the set, that is not in it. It was received without that association.", "Nothing, as above."},
	{fault.PartialRelationshipContent, "ITI-41 to a recipient (warning)",
		"The message relates to something that is not in it. It was received without that association.", "Nothing, as above."},
	{fault.RegistryNotAvailable, "ITI-41",
		"The repository registers with a registry elsewhere, which cannot be reached, or whose answer was lost. codeContext says which.",
		"When it was not reached: send the submission again later. When the answer was lost: look first whether the documents are registered; the repository goes on asking."},
	{fault.ExtraMetadataNotSaved, "ITI-41, ITI-42 (warning)",
		"A Slot of a Classification was not stored. Extra Slots of entries, sets, folders and associations are.",
		"Nothing: the submission was accepted."},
}

const errorsHead = `# Errors

This page is made from the table in internal/docs; do not edit it by hand (` + "`go test ./internal/docs -update`" + ` writes it anew).

A request that fails for a reason of its own is answered with HTTP 200 and a RegistryResponse or AdhocQueryResponse of the status
Failure, or of PartialSuccess when a retrieval or a removal of documents has some of them. Each RegistryError has an errorCode of this table
and a codeContext in plain English that names the object, the rule and what to do. A submission is never stored in part.

A repository (ITI-41, ITI-43, ITI-86) uses the second name of a code that has two.

| code | transactions | when | what to do |
| --- | --- | --- | --- |
`

const errorsTail = `
## SOAP faults

What is wrong with HTTP, SOAP, WS-Addressing or the package is a SOAP fault, in English and bokmål, or plain text when the
request was not let in at all.

| HTTP | fault | when | what to do |
| --- | --- | --- | --- |
| 400 | Sender | The XML is malformed, the package is broken or ends early, the body is not the transaction's, two headers stand where one may | Mend the message |
| 400 | Sender, MessageAddressingHeaderRequired | wsa:Action or wsa:MessageID is missing | Send it |
| 400 | Sender, ActionNotSupported | The wsa:Action is none of this endpoint's | Check action and address |
| 400 | Sender, OnlyAnonymousAddressSupported | wsa:ReplyTo or wsa:FaultTo asks for an asynchronous answer, which is not switched on, or for none | Leave it out or use the anonymous address |
| 400 | Sender, InvalidAddress | wsa:ReplyTo or wsa:FaultTo names an address that the operator has not allowed (` + "`outward.allow`" + `), or the two do not fit | Ask the operator, or leave them out |
| 400 | Sender, InvalidAddressingHeader | wsa:ReplyTo has ReferenceParameters | Put what you need into the address |
| 503 | Receiver | An answer cannot be kept for later; the text says whether anything was done | Try again, or look first |
| 500 | MustUnderstand | A header is marked mustUnderstand and not known here | Leave it out |
| 500 | VersionMismatch | The envelope is not SOAP 1.2 | Send SOAP 1.2 |
| 405 | Sender | The method is not POST | Use POST |
| 408 | Receiver | The connection broke or stalled while the message was read | Send it again |
| 413 | Sender | A limit of the envelope or of the package was passed; the text names the limit | Send less |
| 415 | Sender | The Content-Type or Content-Encoding is not supported | Send application/soap+xml or multipart/related, uncompressed |
| 429 | plain text | More requests from one address than ` + "`http.rate`" + ` | Wait as Retry-After says |
| 503 | plain text or Receiver | More requests or larger messages at the same time than the server takes | Wait as Retry-After says |
| 500 | Receiver | Something failed inside the server | Give the operator the reference in the text |
`

// errorsPage is docs/errors.md.
func errorsPage() string {
	var b strings.Builder
	b.WriteString(errorsHead)
	for _, e := range entries {
		b.WriteString("| `" + string(e.code) + "`")
		if other := e.code.ForRepository(); other != e.code {
			b.WriteString(", `" + string(other) + "`")
		}
		in := e.in
		if in == "" {
			in = "not yet"
		}
		b.WriteString(" | " + in + " | " + e.when + " | " + e.do + " |\n")
	}
	b.WriteString(errorsTail)
	return b.String()
}
