package ebrim

import (
	"strconv"

	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// DecodeSubmission reads lcm:SubmitObjectsRequest; the scanner stands on its start
// tag and is left on its end tag. Problems are what breaks ITI TF-3 4.2 so that the
// model cannot hold it, each XDSRegistryMetadataError, or the warning
// XDSExtraMetadataNotSaved. The submission is never nil unless there is an error:
// *xmlscan.Error for malformed XML, *fault.Error of kind TooLarge for a limit
// passed.
func DecodeSubmission(sc *xmlscan.Scanner) (*metadata.Submission, []fault.Problem, error) {
	return Limits{}.DecodeSubmission(sc)
}

// DecodeSubmission is the function of this name with limits.
func (l Limits) DecodeSubmission(sc *xmlscan.Scanner) (*metadata.Submission, []fault.Problem, error) {
	if !sc.Is(xmlscan.LCM, "SubmitObjectsRequest") {
		return nil, nil, unexpected(sc, "lcm:SubmitObjectsRequest")
	}
	r := newReader(sc, l)
	defer r.free()
	d := submissionReader{reader: r, sub: &metadata.Submission{}}
	lists := 0
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			break
		}
		if !sc.Is(xmlscan.RIM, "RegistryObjectList") {
			continue // RequestSlotList and the like say nothing about objects
		}
		lists++
		if err := d.list(); err != nil {
			return nil, nil, err
		}
	}
	if lists != 1 {
		r.message("has " + strconv.Itoa(lists) + " elements RegistryObjectList; send one.")
	}
	d.packages()
	return d.sub, r.listed(), nil
}

type submissionReader struct {
	*reader
	sub     *metadata.Submission
	pending []raw // RegistryPackages
	objects int
}

// message reports a problem of the submission as a whole.
func (r *reader) message(what string) {
	r.problem(fault.SeverityError, fault.RegistryMetadataError, "The submission "+what)
}

// list reads rim:RegistryObjectList.
func (d *submissionReader) list() error {
	sc := d.sc
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return err
		}
		if d.objects++; d.objects > d.lim.Objects {
			return tooLarge("objects", d.lim.Objects)
		}
		if sc.NS() != xmlscan.RIM {
			d.message("holds the element " + quote(string(sc.Local())) + ", which is not ebRIM; remove it.")
			continue
		}
		if err := d.member(); err != nil {
			return err
		}
	}
}

// member reads one child of the list.
func (d *submissionReader) member() error {
	mark := d.mark()
	switch local := string(d.sc.Local()); local {
	case "ExtrinsicObject":
		var o raw
		if err := d.object(&o, "ExtrinsicObject"); err != nil {
			return err
		}
		d.sub.Entries = append(d.sub.Entries, d.entry(&o))
		d.release(mark)
	case "Association":
		var o raw
		if err := d.object(&o, "Association"); err != nil {
			return err
		}
		d.sub.Associations = append(d.sub.Associations, d.association(&o))
		d.release(mark)
	case "RegistryPackage":
		var o raw
		if err := d.object(&o, "RegistryPackage"); err != nil {
			return err
		}
		d.pending = append(d.pending, o)
	case "Classification":
		var c rawClass
		if err := d.readClass(&raw{slots: span{from: len(d.slots)}}, &c); err != nil {
			return err
		}
		d.release(mark)
		if !c.hasNode {
			d.message("has a Classification beside the objects with the classificationScheme " + quote(string(c.scheme)) +
				"; put it inside the object that it classifies.")
			return nil
		}
		d.loose = append(d.loose, c)
	case "ObjectRef": // allowed and without meaning
	case "ExternalIdentifier":
		d.message("has an ExternalIdentifier beside the objects; put it inside the object that it identifies.")
	default:
		d.message("holds the element " + quote(local) + ", which document sharing does not use; remove it.")
	}
	return nil
}

// packages makes SubmissionSet and Folders now that all classifications are known.
func (d *submissionReader) packages() {
	sets := 0
	d.index()
	for i := range d.pending {
		o := &d.pending[i]
		isSet, isFolder := d.types(o)
		switch {
		case isSet && isFolder:
			d.report(o, "Classification", "says both SubmissionSet and Folder; send one of them.")
		case isSet:
			sets++
			if set := d.set(o); sets == 1 {
				set.Limited = set.Limited || d.classified(o, nodeLimitedSet)
				d.sub.Set = *set
			}
		case isFolder:
			f := d.folder(o)
			f.Limited = f.Limited || d.classified(o, nodeLimitedFolder)
			d.sub.Folders = append(d.sub.Folders, f)
		default:
			d.report(o, "Classification", "is neither that of a SubmissionSet ("+nodeSet+") nor that of a Folder ("+nodeFolder+").")
		}
	}
	for _, e := range d.sub.Entries {
		e.Limited = e.Limited || d.classified(&raw{id: e.ID}, nodeLimitedEntry)
	}
	if sets != 1 {
		d.message("has " + strconv.Itoa(sets) + " SubmissionSets; send exactly one.")
	}
	d.strays()
}

// types tells what the classifications inside and beside a package say.
func (r *reader) types(o *raw) (isSet, isFolder bool) {
	for i := o.classes.from; i < o.classes.to; i++ {
		isSet = isSet || r.classes[i].node == nodeSet
		isFolder = isFolder || r.classes[i].node == nodeFolder
	}
	return isSet || r.classified(o, nodeSet), isFolder || r.classified(o, nodeFolder)
}

// index makes the classifications beside the objects findable.
func (r *reader) index() {
	if len(r.loose) == 0 {
		return
	}
	r.nodes = make(map[nodeOf]bool, len(r.loose))
	for i := range r.loose {
		r.nodes[nodeOf{r.loose[i].object, r.loose[i].node}] = true
	}
}

// nodeOf is what a classification beside the objects says.
type nodeOf struct{ object, node metadata.ID }

// classified tells whether a classification beside the objects names the object.
func (r *reader) classified(o *raw, node metadata.ID) bool {
	return r.nodes[nodeOf{o.id, node}]
}

// strays reports classifications beside the objects that say nothing about one.
func (d *submissionReader) strays() {
	if len(d.loose) == 0 {
		return
	}
	packages, entries := make(map[metadata.ID]bool), make(map[metadata.ID]bool)
	for i := range d.pending {
		packages[d.pending[i].id] = true
	}
	for _, e := range d.sub.Entries {
		entries[e.ID] = true
	}
	for i := range d.loose {
		c := &d.loose[i]
		switch c.node {
		case nodeSet, nodeFolder, nodeLimitedSet, nodeLimitedFolder:
			if !packages[c.object] {
				d.message("classifies " + quote(string(c.object)) + ", which is no RegistryPackage in it.")
			}
		case nodeLimitedEntry:
			if !entries[c.object] {
				d.message("classifies " + quote(string(c.object)) + ", which is no ExtrinsicObject in it.")
			}
		default:
			d.message("classifies " + quote(string(c.object)) + " with the unknown classificationNode " + quote(string(c.node)) + ".")
		}
	}
}
