package ebrim

import (
	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// DecodeRemove reads lcm:RemoveObjectsRequest (ITI-62): the ids of its
// rim:ObjectRefs. The scanner stands on its start tag and is left on its end tag.
// Errors are *xmlscan.Error, or *fault.Error for another element, an ObjectRef
// without id or a limit passed. rim:AdhocQuery and deletionScope are not used and
// ignored.
func (l Limits) DecodeRemove(sc *xmlscan.Scanner) ([]metadata.ID, error) {
	if !sc.Is(xmlscan.LCM, "RemoveObjectsRequest") {
		return nil, unexpected(sc, "lcm:RemoveObjectsRequest")
	}
	l = l.withDefaults()
	var ids []metadata.ID
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return nil, err
		}
		if !ok {
			return ids, nil
		}
		if !sc.Is(xmlscan.RIM, "ObjectRefList") {
			continue
		}
		if ids, err = l.objectRefs(sc, ids); err != nil {
			return nil, err
		}
	}
}

func (l Limits) objectRefs(sc *xmlscan.Scanner, ids []metadata.ID) ([]metadata.ID, error) {
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return ids, err
		}
		if !sc.Is(xmlscan.RIM, "ObjectRef") {
			continue
		}
		id, _ := sc.Attr("id")
		if id == "" {
			return nil, fault.New(fault.Invalid, "ebrim.DecodeRemove", fault.RegistryError, "An ObjectRef has no id; write the entryUUID of the object to be removed.")
		}
		if len(ids) == l.Objects {
			return nil, tooLarge("objects", l.Objects)
		}
		ids = append(ids, metadata.ParseID(id))
	}
}

// AppendRemove appends lcm:RemoveObjectsRequest.
func AppendRemove(b []byte, ids []metadata.ID) []byte {
	b = append(b, `<lcm:RemoveObjectsRequest xmlns:lcm="`+lcmNS+`"><ObjectRefList xmlns="`+rimNS+`">`...)
	for _, id := range ids {
		b = AppendObjectRef(b, id, "")
	}
	return append(b, `</ObjectRefList></lcm:RemoveObjectsRequest>`...)
}
