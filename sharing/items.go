package sharing

import (
	"slices"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// patients parses patient ids, the last one only once: most answers are about
// one patient.
type patients struct {
	cx  metadata.CX
	id  metadata.PatientID
	all []metadata.PatientID
}

func (p *patients) of(cx metadata.CX) metadata.PatientID {
	if cx != p.cx {
		id, err := cx.Patient()
		if err != nil {
			return metadata.PatientID{}
		}
		p.cx, p.id = cx, id
	}
	return p.id
}

func (p *patients) add(cx metadata.CX) {
	if id := p.of(cx); id != (metadata.PatientID{}) && !slices.Contains(p.all, id) {
		p.all = append(p.all, id)
	}
}

func (p *patients) addAll(list []metadata.CX) {
	for _, cx := range list {
		p.add(cx)
	}
}

// item is what the decider and the record see of an object. Slices are shared
// with the object.
func (p *patients) item(o metadata.Object, controller string) access.Item {
	i := access.Item{ID: o.ObjectID(), Status: o.ObjectStatus(), Controller: controller}
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		i.Kind, i.UniqueID, i.RepositoryID, i.Patient = access.ItemEntry, o.UniqueID, o.RepositoryID, p.of(o.PatientID)
		i.Codes, i.ClassCode, i.TypeCode = o.Confidential, o.ClassCode.Ref(), o.TypeCode.Ref()
	case *metadata.SubmissionSet:
		i.Kind, i.UniqueID, i.Patient = access.ItemSubmissionSet, o.UniqueID, p.of(o.PatientID)
	case *metadata.Folder:
		i.Kind, i.UniqueID, i.Patient = access.ItemFolder, o.UniqueID, p.of(o.PatientID)
	case *metadata.Association:
		i.Kind = access.ItemAssociation
	}
	return i
}

// placed is the item of a registered object. An association belongs to the
// patient in whose stream it is.
func (p *patients) placed(o storage.Placed) access.Item {
	i := p.item(o.Object, o.Controller)
	if i.Kind == access.ItemAssociation {
		if p, ok := o.Stream.Patient(); ok {
			i.Patient = p
		}
	}
	return i
}

// submitted are the items of a submission, the set first.
func (s *Sharing) submitted(sub *metadata.Submission, controller func(metadata.Object) string) []access.Item {
	items := make([]access.Item, 0, 1+len(sub.Entries)+len(sub.Folders)+len(sub.Associations))
	p := patients{}
	add := func(o metadata.Object) { items = append(items, p.item(o, controller(o))) }
	add(&sub.Set)
	for _, e := range sub.Entries {
		add(e)
	}
	for _, f := range sub.Folders {
		add(f)
	}
	set := p.of(sub.Set.PatientID)
	for _, a := range sub.Associations {
		add(a)
		items[len(items)-1].Patient = set
	}
	return items
}
