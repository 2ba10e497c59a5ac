package repository

import (
	"fmt"
	"strings"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Check reports what can be said against a submission before its documents are
// read (ITI TF-2 3.41.4.1.3): too many or too large documents, ids and uniqueIds
// used twice, entries that are not stable. It does not repeat metadata/rules.
func (r *Repository) Check(t access.Tenant, s *metadata.Submission) []fault.Problem {
	var problems []fault.Problem
	if n := len(s.Entries); n > r.limits.Documents {
		return append(problems, problem(fault.RepositoryOutOfResources,
			"The submission has %d documents; the limit limits.documents is %d. Send them in several submissions.", n, r.limits.Documents))
	}
	problems = append(problems, duplicates(s)...)
	for _, e := range s.Entries {
		if e.Kind == metadata.OnDemand {
			problems = append(problems, problem(fault.RepositoryMetadataError,
				"DocumentEntry %s is on-demand; ITI-41 takes stable documents only. Register it by ITI-61.", e.ID))
		}
		if e.Size.Given && e.Size.Octets > r.limits.DocumentBytes {
			problems = append(problems, r.tooLarge(e))
		}
		if len(t)+len(e.UniqueID) > storage.MaxOwner {
			problems = append(problems, problem(fault.RepositoryMetadataError,
				"The uniqueId of DocumentEntry %s is %d characters long; at most %d can be stored.", e.ID, len(e.UniqueID), storage.MaxOwner-len(t)))
		}
	}
	return problems
}

// duplicates finds entry ids and uniqueIds that the message uses twice.
func duplicates(s *metadata.Submission) []fault.Problem {
	if len(s.Entries)+len(s.Folders) == 0 {
		return nil
	}
	var problems []fault.Problem
	seen := make(map[string]bool, 1+len(s.Entries)+len(s.Folders))
	unique := func(id string) {
		if id != "" && seen[id] {
			problems = append(problems, problem(fault.RepositoryDuplicateInMsg, "The uniqueId %s is used twice in the submission.", id))
		}
		seen[id] = true
	}
	unique(s.Set.UniqueID)
	ids := make(map[metadata.ID]bool, len(s.Entries))
	for _, e := range s.Entries {
		unique(e.UniqueID)
		if ids[e.ID] {
			problems = append(problems, problem(fault.RepositoryMetadataError, "Two DocumentEntries have the id %s.", e.ID))
		}
		ids[e.ID] = true
	}
	for _, f := range s.Folders {
		unique(f.UniqueID)
	}
	return problems
}

// verify compares an entry with the bytes and completes it (ITI TF-2
// 3.41.4.1.3.3): a stated hash and size must be right, missing ones are filled
// in, the repositoryUniqueId becomes ours.
func (r *Repository) verify(e *metadata.DocumentEntry, info storage.DocumentInfo) []fault.Problem {
	var problems []fault.Problem
	var text [40]byte
	hash := appendHex(text[:0], info.SHA1[:])
	if e.Hash == "" {
		e.Hash = string(hash)
	} else if !strings.EqualFold(e.Hash, string(hash)) {
		problems = append(problems, problem(fault.RepositoryMetadataError,
			"The hash of document %s (%s) is stated as %s, but its bytes have the SHA-1 %s.", e.ID, e.UniqueID, e.Hash, hash))
	}
	if !e.Size.Given {
		e.Size = metadata.Octets(info.Size)
	} else if e.Size.Octets != info.Size {
		problems = append(problems, problem(fault.RepositoryMetadataError,
			"The size of document %s (%s) is stated as %d, but it has %d bytes.", e.ID, e.UniqueID, e.Size.Octets, info.Size))
	}
	e.RepositoryID = r.id
	return problems
}

func (r *Repository) tooLarge(e *metadata.DocumentEntry) fault.Problem {
	return problem(fault.RepositoryOutOfResources,
		"Document %s (%s) is larger than the limit limits.document-bytes, %d bytes.", e.ID, e.UniqueID, r.limits.DocumentBytes)
}

func appendHex(b, p []byte) []byte {
	const hex = "0123456789abcdef"
	for _, c := range p {
		b = append(b, hex[c>>4], hex[c&15])
	}
	return b
}

func problem(code fault.Code, format string, args ...any) fault.Problem {
	return fault.Problem{Code: code, Context: fmt.Sprintf(format, args...)}
}
