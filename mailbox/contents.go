package mailbox

import (
	"encoding/binary"
	"errors"

	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// contents are the objects of a message as a mailbox keeps them: copies under ids
// of their own, and the associations between them. What leads out of the message
// is left out, with the warning that the standard has for it (ITI TF-2
// 3.41.4.1.3.1).
func contents(d Delivery) (added []storage.Added, warnings []fault.Problem) {
	sub := d.Submission.Clone()
	ids := make(map[metadata.ID]metadata.ID, 1+len(sub.Entries)+len(sub.Folders)+len(sub.Associations))
	fresh := func(id *metadata.ID) metadata.ID {
		own := metadata.NewUUID().ID()
		ids[*id], *id = own, own
		return own
	}
	submitted := make([]metadata.ID, len(sub.Entries))
	set := &sub.Set
	set.Status, set.LogicalID, set.Version = metadata.Approved, fresh(&set.ID), 1
	for i, e := range sub.Entries {
		submitted[i] = e.ID
		e.Status, e.LogicalID, e.Version = metadata.Approved, fresh(&e.ID), 1
	}
	for _, f := range sub.Folders {
		f.Status, f.LogicalID, f.Version = metadata.Approved, fresh(&f.ID), 1
	}
	for _, a := range sub.Associations {
		fresh(&a.ID)
	}
	added = append(added, storage.Added{Object: set})
	for i, e := range sub.Entries {
		added = append(added, storage.Added{Object: e, Document: d.Documents[submitted[i]]})
	}
	for _, f := range sub.Folders {
		added = append(added, storage.Added{Object: f})
	}
	for _, a := range sub.Associations {
		source, inside := ids[a.Source]
		target, also := ids[a.Target]
		if !inside || !also {
			warnings = append(warnings, notProcessed(a))
			continue
		}
		a.Source, a.Target, a.Status = source, target, metadata.Approved
		added = append(added, storage.Added{Object: a})
	}
	for i := range added {
		metadata.FillIDs(added[i].Object)
	}
	return added, warnings
}

func notProcessed(a *metadata.Association) fault.Problem {
	code := fault.PartialRelationshipContent
	switch a.Type {
	case metadata.Appends:
		code = fault.PartialAppendContent
	case metadata.Replaces:
		code = fault.PartialReplaceContent
	case metadata.Transforms:
		code = fault.PartialTransformContent
	case metadata.TransformReplaces:
		code = fault.PartialTransformReplace
	case metadata.HasMember:
		code = fault.PartialFolderContent
	}
	return fault.Problem{Code: code, Severity: fault.SeverityWarning,
		Context: "The association " + string(a.ID) + " leads to an object that is not in the message. The message was received without it."}
}

// slip is the body of an event: format 1, then texts with their lengths.
type slip struct{ from, messageID string }

const slipFormat = 1

var errSlip = errors.New("mailbox: a message's slip cannot be read")

func (s slip) encode() []byte {
	b := []byte{slipFormat}
	for _, text := range [...]string{s.from, s.messageID} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	return b
}

func decodeSlip(b []byte) (s slip, err error) {
	if len(b) == 0 || b[0] != slipFormat {
		return s, errSlip
	}
	b = b[1:]
	for _, to := range [...]*string{&s.from, &s.messageID} {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			return s, errSlip
		}
		*to, b = string(b[w:w+int(n)]), b[w+int(n):]
	}
	return s, nil
}
