package ledger

import "samdok/metadata"

// Kinds of queries in records. Numbers are stored; 0 is none.
const (
	kindFindDocuments = iota + 1
	kindFindDocumentsByReferenceID
	kindFindSubmissionSets
	kindFindFolders
	kindGetAll
	kindGetDocuments
	kindGetFolders
	kindGetAssociations
	kindGetDocumentsAndAssociations
	kindGetSubmissionSets
	kindGetSubmissionSetAndContents
	kindGetFolderAndContents
	kindGetFoldersForDocument
	kindGetRelatedDocuments
	kindFindDocumentsForMultiplePatients
	kindFindFoldersForMultiplePatients
)

func queryKind(q metadata.Query) uint8 {
	switch q.(type) {
	case *metadata.FindDocuments:
		return kindFindDocuments
	case *metadata.FindDocumentsByReferenceID:
		return kindFindDocumentsByReferenceID
	case *metadata.FindSubmissionSets:
		return kindFindSubmissionSets
	case *metadata.FindFolders:
		return kindFindFolders
	case *metadata.GetAll:
		return kindGetAll
	case *metadata.GetDocuments:
		return kindGetDocuments
	case *metadata.GetFolders:
		return kindGetFolders
	case *metadata.GetAssociations:
		return kindGetAssociations
	case *metadata.GetDocumentsAndAssociations:
		return kindGetDocumentsAndAssociations
	case *metadata.GetSubmissionSets:
		return kindGetSubmissionSets
	case *metadata.GetSubmissionSetAndContents:
		return kindGetSubmissionSetAndContents
	case *metadata.GetFolderAndContents:
		return kindGetFolderAndContents
	case *metadata.GetFoldersForDocument:
		return kindGetFoldersForDocument
	case *metadata.GetRelatedDocuments:
		return kindGetRelatedDocuments
	case *metadata.FindDocumentsForMultiplePatients:
		return kindFindDocumentsForMultiplePatients
	case *metadata.FindFoldersForMultiplePatients:
		return kindFindFoldersForMultiplePatients
	}
	return 0
}

func newQuery(kind uint8) metadata.Query {
	switch kind {
	case kindFindDocuments:
		return new(metadata.FindDocuments)
	case kindFindDocumentsByReferenceID:
		return new(metadata.FindDocumentsByReferenceID)
	case kindFindSubmissionSets:
		return new(metadata.FindSubmissionSets)
	case kindFindFolders:
		return new(metadata.FindFolders)
	case kindGetAll:
		return new(metadata.GetAll)
	case kindGetDocuments:
		return new(metadata.GetDocuments)
	case kindGetFolders:
		return new(metadata.GetFolders)
	case kindGetAssociations:
		return new(metadata.GetAssociations)
	case kindGetDocumentsAndAssociations:
		return new(metadata.GetDocumentsAndAssociations)
	case kindGetSubmissionSets:
		return new(metadata.GetSubmissionSets)
	case kindGetSubmissionSetAndContents:
		return new(metadata.GetSubmissionSetAndContents)
	case kindGetFolderAndContents:
		return new(metadata.GetFolderAndContents)
	case kindGetFoldersForDocument:
		return new(metadata.GetFoldersForDocument)
	case kindGetRelatedDocuments:
		return new(metadata.GetRelatedDocuments)
	case kindFindDocumentsForMultiplePatients:
		return new(metadata.FindDocumentsForMultiplePatients)
	case kindFindFoldersForMultiplePatients:
		return new(metadata.FindFoldersForMultiplePatients)
	}
	return nil
}

func query(c *coder, p *metadata.Query) {
	kind := queryKind(*p)
	number(c, &kind)
	if c.dec {
		if *p = newQuery(kind); *p == nil && kind != 0 {
			c.fail()
		}
	}
	switch q := (*p).(type) {
	case *metadata.FindDocuments:
		text(c, &q.Patient)
		documentFilter(c, &q.Filter)
	case *metadata.FindDocumentsByReferenceID:
		text(c, &q.Patient)
		documentFilter(c, &q.Filter)
	case *metadata.FindDocumentsForMultiplePatients:
		list(c, &q.Patients, text[metadata.CX])
		documentFilter(c, &q.Filter)
	case *metadata.FindFoldersForMultiplePatients:
		list(c, &q.Patients, text[metadata.CX])
		folderFilter(c, &q.Filter)
	case *metadata.FindSubmissionSets:
		text(c, &q.Patient)
		submissionSetFilter(c, &q.Filter)
	case *metadata.FindFolders:
		text(c, &q.Patient)
		folderFilter(c, &q.Filter)
	case *metadata.GetAll:
		text(c, &q.Patient)
		statuses(c, &q.DocumentStatus)
		statuses(c, &q.SetStatus)
		statuses(c, &q.FolderStatus)
		statuses(c, &q.AssociationStatus)
		members(c, &q.Members)
	case *metadata.GetDocuments:
		target(c, &q.Documents)
	case *metadata.GetFolders:
		target(c, &q.Folders)
	case *metadata.GetAssociations:
		list(c, &q.IDs, text[metadata.ID])
		statuses(c, &q.AssociationStatus)
	case *metadata.GetDocumentsAndAssociations:
		target(c, &q.Documents)
		statuses(c, &q.AssociationStatus)
	case *metadata.GetSubmissionSets:
		list(c, &q.IDs, text[metadata.ID])
	case *metadata.GetSubmissionSetAndContents:
		target(c, &q.Set)
		members(c, &q.Members)
	case *metadata.GetFolderAndContents:
		target(c, &q.Folder)
		members(c, &q.Members)
		statuses(c, &q.AssociationStatus)
	case *metadata.GetFoldersForDocument:
		target(c, &q.Document)
		statuses(c, &q.AssociationStatus)
	case *metadata.GetRelatedDocuments:
		target(c, &q.Document)
		list(c, &q.Types, text[metadata.AssociationType])
		list(c, &q.Kinds, number[metadata.EntryKind])
		statuses(c, &q.AssociationStatus)
	}
}

func documentFilter(c *coder, f *metadata.DocumentFilter) {
	statuses(c, &f.Status)
	list(c, &f.Kinds, number[metadata.EntryKind])
	list(c, &f.ClassCode, codeRef)
	list(c, &f.TypeCode, codeRef)
	list(c, &f.FormatCode, codeRef)
	list(c, &f.Facility, codeRef)
	list(c, &f.Practice, codeRef)
	list(c, &f.Confidential, anyCode)
	list(c, &f.EventCodes, anyCode)
	timeRange(c, &f.Creation)
	timeRange(c, &f.ServiceStart)
	timeRange(c, &f.ServiceStop)
	list(c, &f.AuthorPerson, text[metadata.Like])
	list(c, &f.ReferenceIDs, anyLike)
	list(c, &f.Availability, text[string])
}

func submissionSetFilter(c *coder, f *metadata.SubmissionSetFilter) {
	statuses(c, &f.Status)
	list(c, &f.SourceID, text[string])
	timeRange(c, &f.Submission)
	list(c, &f.AuthorPerson, text[metadata.Like])
	list(c, &f.ContentType, codeRef)
}

func folderFilter(c *coder, f *metadata.FolderFilter) {
	statuses(c, &f.Status)
	timeRange(c, &f.LastUpdate)
	list(c, &f.Codes, anyCode)
}

func members(c *coder, m *metadata.MemberFilter) {
	list(c, &m.FormatCode, codeRef)
	list(c, &m.Confidential, anyCode)
	list(c, &m.Kinds, number[metadata.EntryKind])
}

func target(c *coder, t *metadata.Target) {
	list(c, &t.IDs, text[metadata.ID])
	list(c, &t.UniqueIDs, text[string])
	list(c, &t.LogicalIDs, text[metadata.ID])
}

func statuses(c *coder, s *[]metadata.Status) { list(c, s, number[metadata.Status]) }

func anyCode(c *coder, a *metadata.AnyOf[metadata.CodeRef]) { list(c, a, codeRef) }

func anyLike(c *coder, a *metadata.AnyOf[metadata.Like]) { list(c, a, text[metadata.Like]) }

func timeRange(c *coder, r *metadata.TimeRange) {
	text(c, &r.From)
	text(c, &r.To)
}
